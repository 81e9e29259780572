//! The server: it answers each line with a line.

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Factory;

/// Answers `add 2 3` with `5`, and an invalid question with `error` and the reason.
struct Calculator {
    lines: Lines,
}

impl LineHandler for Calculator {
    fn line_received(&mut self, line: &[u8]) {
        let answer = calculate(line).map_or_else(|error| format!("error {error}"), |result| result.to_string());
        self.lines.send_line(answer);
    }
}

/// Makes a calculator for each connection.
pub(crate) fn calculator() -> impl Factory {
    LineReceiver::factory(|lines| Calculator { lines })
}

fn calculate(question: &[u8]) -> Result<i64, &'static str> {
    let words: Vec<_> = str::from_utf8(question).map_err(|_| "not text")?.split_whitespace().collect();
    let [operation, a, b] = words[..] else { return Err("an operation and two numbers are needed") };
    let number = |word: &str| word.parse::<i64>().map_err(|_| "not a number");
    let (a, b) = (number(a)?, number(b)?);
    let result = match operation {
        "add" => a.checked_add(b),
        "subtract" => a.checked_sub(b),
        "multiply" => a.checked_mul(b),
        "divide" if b == 0 => return Err("division by zero"),
        "divide" => a.checked_div(b),
        _ => return Err("no such operation"),
    };
    result.ok_or("the result is too large")
}

#[cfg(test)]
mod tests {
    use reactor::testing::{StringTransport, every_cut};

    use super::*;

    /// What the server writes in answer to one line.
    fn answer_to(question: &str) -> String {
        let mut wire = StringTransport::connect(calculator());
        wire.receive(format!("{question}\r\n"));
        String::from_utf8(wire.take_written()).unwrap()
    }

    #[test]
    fn results_are_right() {
        assert_eq!(answer_to("add 7 6"), "13\r\n");
        assert_eq!(answer_to("subtract 82 78"), "4\r\n");
        assert_eq!(answer_to("multiply -2 8"), "-16\r\n");
        assert_eq!(answer_to("divide 14 3"), "4\r\n");
    }

    #[test]
    fn what_makes_no_sense_is_answered_with_the_reason() {
        assert_eq!(answer_to("add 1"), "error an operation and two numbers are needed\r\n");
        assert_eq!(answer_to("add one 2"), "error not a number\r\n");
        assert_eq!(answer_to("raise 2 3"), "error no such operation\r\n");
        assert_eq!(answer_to("divide 1 0"), "error division by zero\r\n");
        assert_eq!(answer_to(&format!("divide {} -1", i64::MIN)), "error the result is too large\r\n");
    }

    #[test]
    fn answers_are_the_same_however_the_network_cuts_the_questions() {
        let written = every_cut("add 1 2\r\n\r\ndivide 9 3\r\nsubtract", |pieces| {
            let mut wire = StringTransport::connect(calculator());
            for piece in pieces {
                wire.receive(piece);
            }
            wire.take_written()
        });
        assert_eq!(written, b"3\r\nerror an operation and two numbers are needed\r\n3\r\n");
    }
}
