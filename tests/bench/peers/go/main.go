// Go: a goroutine for each connection. Usage: go echo|lines|datagrams, or go forward HOST:PORT
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
)

func echo(connection net.Conn) {
	buffer := make([]byte, 16*1024)
	for {
		length, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:length]); err != nil {
			return
		}
	}
}

// Sends what it has when there is nothing to read.
func echoLines(connection net.Conn) {
	reader := bufio.NewReaderSize(connection, 16*1024)
	writer := bufio.NewWriterSize(connection, 16*1024)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		writer.Write(line)
		if reader.Buffered() == 0 && writer.Flush() != nil {
			return
		}
	}
}

// io.Copy between sockets is splice.
func forward(connection net.Conn, target string) {
	other, err := net.Dial("tcp4", target)
	if err != nil {
		return
	}
	go func() {
		io.Copy(connection, other)
		connection.Close()
	}()
	io.Copy(other, connection)
	other.Close()
}

func datagrams() {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		panic(err)
	}
	fmt.Println("ready", socket.LocalAddr())
	buffer := make([]byte, 64*1024)
	for {
		if length, from, err := socket.ReadFromUDPAddrPort(buffer); err == nil {
			socket.WriteToUDPAddrPort(buffer[:length], from)
		}
	}
}

func main() {
	role := os.Args[1]
	if role == "datagrams" {
		datagrams()
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("ready", listener.Addr())
	for {
		connection, err := listener.Accept()
		if err != nil {
			continue
		}
		go func() {
			defer connection.Close()
			switch role {
			case "lines":
				echoLines(connection)
			case "forward":
				forward(connection, os.Args[2])
			default:
				echo(connection)
			}
		}()
	}
}
