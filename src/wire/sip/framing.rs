//! Where one message ends and the next begins on a stream: RFC 3261 §18.3, and keep-alives of RFC 5626 §3.5.1.

/// What the stream holds next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// One whole message.
    Message(Vec<u8>),
    /// What can be read of a message whose end cannot be known (no Content-Length, two, a negative one, over a limit): answer, then close.
    Broken(Vec<u8>),
    /// CRLF CRLF: answer with CRLF.
    Ping,
}

/// Takes bytes as they come and gives frames. Never holds more than one message's limit (64 KiB).
#[derive(Debug, Default)]
pub struct Framer {}

impl Framer {
    /// Adds bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }

    /// The next frame; `None`: more bytes are needed. After `Broken`, nothing more comes.
    pub fn next(&mut self) -> Option<Frame> {
        todo!()
    }

    /// Whether a message has begun and is not whole: such a connection may be timed out.
    pub fn is_midway(&self) -> bool {
        todo!()
    }
}
