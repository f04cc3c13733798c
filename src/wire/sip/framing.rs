//! Where one message ends and the next begins on a stream: RFC 3261 §18.3, and keep-alives of RFC 5626 §3.5.1.

use std::fmt;

use super::lexer::{Lexed, MESSAGE_LIMIT};

/// What the stream holds next.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// One whole message.
    Message(Vec<u8>),
    /// What can be read of a message whose end cannot be known (no Content-Length, two, a negative one, over a limit): answer, then close.
    Broken(Vec<u8>),
    /// CRLF CRLF: answer with CRLF.
    Ping,
}

/// Kind and length: a message names people.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Message(bytes) => write!(f, "Message({} bytes)", bytes.len()),
            Frame::Broken(bytes) => write!(f, "Broken({} bytes)", bytes.len()),
            Frame::Ping => f.write_str("Ping"),
        }
    }
}

/// Takes bytes as they come and gives frames. Once [`Framer::next`] has nothing more, it never holds more than one message's limit (64 KiB).
#[derive(Default)]
pub struct Framer {
    held: Vec<u8>,
    /// Where the message being read begins in `held`.
    begin: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Before a start line, after `returns` CRLFs in a row.
    Between { returns: usize },
    /// Inside of the headers; `seen` is where the search for their end goes on.
    Headers { seen: usize },
    /// The end of the message is known.
    Body { end: usize },
    /// The stream cannot be read any further.
    Broken,
}

impl Default for State {
    fn default() -> State {
        State::Between { returns: 0 }
    }
}

impl Framer {
    /// Adds bytes of the stream. What comes after a broken message is not kept.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.state == State::Broken {
            return;
        }
        if self.begin > 0 && self.begin >= self.held.len() / 2 {
            self.forget();
        }
        self.held.extend_from_slice(bytes);
    }

    /// The next frame; `None`: more bytes are needed. After `Broken`, nothing more comes.
    #[expect(clippy::should_implement_trait, reason = "an iterator that ends does not go on")]
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            match self.state {
                State::Between { returns } => match self.held.get(self.begin..)? {
                    [b'\r', b'\n', ..] => {
                        self.begin += 2;
                        self.state = State::Between { returns: (returns + 1) % 2 };
                        if returns == 1 {
                            return Some(Frame::Ping);
                        }
                    }
                    [b'\n', ..] => self.begin += 1,
                    [] | [b'\r'] => return None,
                    [..] => self.state = State::Headers { seen: self.begin },
                },
                State::Headers { seen } => match self.find_head_end(seen) {
                    Some(head_end) => match body_length(&self.held[self.begin..head_end]) {
                        Some(length) if head_end - self.begin + length <= MESSAGE_LIMIT => {
                            self.state = State::Body { end: head_end + length };
                        }
                        _ => return Some(self.give_up(head_end)),
                    },
                    None if self.held.len() - self.begin > MESSAGE_LIMIT => {
                        return Some(self.give_up(self.begin + MESSAGE_LIMIT));
                    }
                    None => return None,
                },
                State::Body { end } => {
                    let message = self.held.get(self.begin..end)?.to_vec();
                    self.begin = end;
                    self.state = State::default();
                    return Some(Frame::Message(message));
                }
                State::Broken => return None,
            }
        }
    }

    /// Whether a message has begun and is not whole: such a connection may be timed out.
    pub fn is_midway(&self) -> bool {
        match self.state {
            State::Between { .. } => self.held.len() > self.begin,
            State::Headers { .. } | State::Body { .. } => true,
            State::Broken => false,
        }
    }

    /// The end of the empty line after the headers: the place that [`Lexed`] takes for it too. Keeps where to go on.
    fn find_head_end(&mut self, seen: usize) -> Option<usize> {
        let mut at = seen;
        while let Some(place) = self.held[at..].iter().position(|&b| b == b'\n') {
            let line_end = at + place;
            match &self.held[line_end + 1..] {
                [b'\n', ..] => return Some(line_end + 2),
                [b'\r', b'\n', ..] => return Some(line_end + 3),
                [] | [b'\r'] => {
                    self.state = State::Headers { seen: line_end };
                    return None;
                }
                [..] => at = line_end + 1,
            }
        }
        self.state = State::Headers { seen: self.held.len() };
        None
    }

    fn give_up(&mut self, end: usize) -> Frame {
        let broken = self.held[self.begin..end].to_vec();
        self.held = Vec::new();
        self.begin = 0;
        self.state = State::Broken;
        Frame::Broken(broken)
    }

    /// Drops what was given out.
    fn forget(&mut self) {
        let gone = std::mem::take(&mut self.begin);
        self.held.drain(..gone);
        match &mut self.state {
            State::Headers { seen: at } | State::Body { end: at } => *at -= gone,
            State::Between { .. } | State::Broken => {}
        }
    }
}

/// Places and lengths only.
impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Framer({:?}, {} bytes held)", self.state, self.held.len() - self.begin)
    }
}

/// The length of the body, if it can be trusted.
fn body_length(head: &[u8]) -> Option<usize> {
    let (lexed, _) = Lexed::scan(head);
    if lexed.is_doubtful() { None } else { lexed.content_length().ok().flatten() }
}
