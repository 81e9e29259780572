use std::fmt;
use std::fmt::Debug;

use fastrand::Rng;

/// Feeds `input` to a parser in every way that a network may cut it, and compares the results. Returns the result of
/// the uncut input.
///
/// `play` is called once for each way, with the pieces: it makes a parser, feeds it the pieces in order, and returns
/// everything that came out, in a form that does not depend on the cuts. A parser may be anything: a struct that is
/// fed,
///
/// ```
/// use reactor::testing::every_cut;
///
/// #[derive(Default)]
/// struct Splitter { rest: String }
///
/// impl Splitter {
///     fn feed(&mut self, data: &[u8], mut each: impl FnMut(&str)) {
///         self.rest.push_str(&String::from_utf8_lossy(data));
///         while let Some((line, rest)) = self.rest.split_once("\r\n") {
///             each(line);
///             self.rest = rest.to_owned();
///         }
///     }
/// }
///
/// let lines = every_cut("one\r\ntwo\r\n\r\n", |pieces| {
///     let mut splitter = Splitter::default();
///     let mut lines = Vec::new();
///     for piece in pieces {
///         splitter.feed(piece, |line| lines.push(line.to_owned()));
///     }
///     lines
/// });
/// assert_eq!(lines, ["one", "two", ""]);
/// ```
///
/// or a protocol on a [`StringTransport`](super::StringTransport):
///
/// ```
/// use reactor::testing::{StringTransport, every_cut};
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let echoed = every_cut("hello", |pieces| {
///     let mut wire = StringTransport::connect(|transport| Echo { transport });
///     for piece in pieces {
///         wire.receive(piece);
///     }
///     wire.take_written()
/// });
/// assert_eq!(echoed, b"hello");
/// ```
///
/// # Which ways
///
/// An input of up to 14 bytes is cut in all possible ways (8,192 for 14). A longer one is fed whole, byte by byte, in
/// two at every place (if it has at most 4 KiB), and in ways drawn from a fixed seed: 500, more for a longer input,
/// 10,000 for one of 4 KiB, and fewer beyond that, so that the time stays bounded. A piece is never empty.
///
/// # Panics
///
/// If one way gives another result than the uncut input. The message shows the two results and the way, after removing
/// as many cuts as possible. If `play` itself panics, the way is printed.
#[track_caller]
pub fn every_cut<R: PartialEq + Debug>(input: impl AsRef<[u8]>, play: impl FnMut(&[&[u8]]) -> R) -> R {
    let mut trial = Trial { input: input.as_ref(), play };
    let whole = trial.play(&[]);
    let Some(cuts) = find_difference(&mut trial, &whole) else { return whole };
    let (cuts, result) = shrink(&mut trial, &whole, cuts);
    panic!("the cut matters\n   cut: {}\n gives: {result:?}\n whole: {whole:?}", Shown(&trial.pieces(&cuts)));
}

/// The places of the cuts, in order: a cut at `n` is before byte `n`.
type Cuts = Vec<usize>;

struct Trial<'a, F> {
    input: &'a [u8],
    play: F,
}

impl<'a, R, F: FnMut(&[&[u8]]) -> R> Trial<'a, F> {
    fn play(&mut self, cuts: &[usize]) -> R {
        let pieces = NamedInPanic(self.pieces(cuts));
        (self.play)(&pieces.0)
    }

    fn pieces(&self, cuts: &[usize]) -> Vec<&'a [u8]> {
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([self.input.len()]);
        starts.zip(ends).map(|(start, end)| &self.input[start..end]).filter(|piece| !piece.is_empty()).collect()
    }
}

fn find_difference<R: PartialEq>(trial: &mut Trial<'_, impl FnMut(&[&[u8]]) -> R>, whole: &R) -> Option<Cuts> {
    let length = trial.input.len();
    let mut differs = |cuts: &Cuts| trial.play(cuts) != *whole;
    if length <= SHORT {
        let ways = 1..1_usize << length.saturating_sub(1);
        return ways.map(|way| (1..length).filter(|place| way >> (place - 1) & 1 == 1).collect()).find(differs);
    }
    let bytes = (1..length).collect();
    if differs(&bytes) {
        return Some(bytes);
    }
    let in_two = if length <= MEDIUM { 1..length } else { 0..0 };
    if let Some(cuts) = in_two.map(|place| vec![place]).find(&mut differs) {
        return Some(cuts);
    }
    let mut random = Rng::with_seed(0);
    let ways =
        if length <= MEDIUM { (MOST_WAYS * length / MEDIUM).max(500) } else { (MOST_WAYS * MEDIUM / length).max(1) };
    (0..ways).map(|_| random_cuts(&mut random, length)).find(differs)
}

/// Two cuts anywhere, or up to some dozens; in every second way also some consecutive bytes, each by itself.
fn random_cuts(random: &mut Rng, length: usize) -> Cuts {
    let pieces = 1 << random.u32(2..=6);
    let mut cuts: Cuts = (0..random.usize(2..pieces)).map(|_| random.usize(1..length)).collect();
    if random.bool() {
        let near = random.usize(1..length);
        cuts.extend((near..length).take(random.usize(1..=8)));
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// Removes cuts, first many and then one at a time, as long as the result still differs from that of the uncut input.
fn shrink<R: PartialEq>(trial: &mut Trial<'_, impl FnMut(&[&[u8]]) -> R>, whole: &R, mut cuts: Cuts) -> (Cuts, R) {
    let mut result = trial.play(&cuts);
    let mut step = cuts.len();
    while step > 0 {
        let mut at = 0;
        while at < cuts.len() {
            let end = cuts.len().min(at + step);
            let fewer: Cuts = cuts[..at].iter().chain(&cuts[end..]).copied().collect();
            let with_fewer = trial.play(&fewer);
            if with_fewer == *whole {
                at += step;
            } else {
                (cuts, result) = (fewer, with_fewer);
            }
        }
        step /= 2;
    }
    (cuts, result)
}

/// Prints the pieces when a panic of the parser unwinds past it.
struct NamedInPanic<'a>(Vec<&'a [u8]>);

impl Drop for NamedInPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("panicked when cut like this: {}", Shown(&self.0));
        }
    }
}

/// Pieces in readable form, long ones shortened: `"GET " | "/\r" | "\n"`.
struct Shown<'a>(&'a [&'a [u8]]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, piece) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " | " })?;
            match piece {
                _ if piece.len() > 56 => {
                    let (head, tail) = (&piece[..16], &piece[piece.len() - 16..]);
                    let left_out = piece.len() - 32;
                    write!(f, "\"{}\"…{left_out} bytes…\"{}\"", head.escape_ascii(), tail.escape_ascii())?;
                }
                _ => write!(f, "\"{}\"", piece.escape_ascii())?,
            }
        }
        Ok(())
    }
}

/// Up to this many bytes are cut in every way.
const SHORT: usize = 14;

/// Up to this many bytes are cut in two at every place.
const MEDIUM: usize = 4096;

/// The number of random ways for an input of [`MEDIUM`] length.
const MOST_WAYS: usize = 10_000;
