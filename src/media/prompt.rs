//! Prompts: sounds kept ready to send, in both laws, in 20 ms pieces.

use super::PromptId;

/// Every prompt and piece of music, decoded and encoded once at the start.
#[derive(Debug, Default)]
pub struct Library {}

impl Library {
    /// Adds 8 kHz mono samples; the last piece is filled up with silence.
    pub fn add(&mut self, samples: &[i16]) -> PromptId {
        let _ = samples;
        todo!()
    }
}
