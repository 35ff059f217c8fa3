//! What is sent as one.

use std::time::Duration;

use redis::{Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};

#[cfg(feature = "redis-cluster")]
use super::answer::each;
use super::{
    answer,
    command::{Command, Scale},
    error::Failure,
};

/// Bytes for which a request gets one more second: 4 MiB, the speed of a line of 34 Mbit/s.
const BYTES_PER_SECOND: u64 = 4 * 1024 * 1024;

/// One command, or some that are sent as one.
pub(super) struct Request {
    what: What,
    scale: Scale,
}

enum What {
    One(Cmd),
    Many(Pipeline),
}

impl Request {
    pub(super) fn one(command: Command) -> Self {
        Self { what: What::One(command.cmd), scale: command.scale }
    }

    pub(super) fn many(commands: impl IntoIterator<Item = Command>) -> Self {
        let mut pipeline = Pipeline::new();
        let mut scale = Scale::default();
        for command in commands {
            pipeline.add_command(command.cmd);
            scale = scale.and(command.scale);
        }
        Self { what: What::Many(pipeline), scale }
    }

    /// The response limit: the one that is set, and the time that sending this takes on a slow line.
    pub(super) fn limit(&self, response: Duration) -> Duration {
        answered_within(response, self.scale.size)
    }

    /// Most bytes that the answer has, where no entry is larger than `max_entry`.
    pub(super) fn largest_answer(&self, max_entry: usize) -> u64 {
        self.scale.largest_answer(max_entry)
    }

    /// How many bytes this answer took on the wire.
    pub(super) fn size_of(&self, answer: &Value) -> u64 {
        answer::size(answer, self.scale.likely())
    }

    /// The answer, or for many commands the array of their answers.
    pub(super) async fn send(&self, mut client: MultiplexedConnection) -> RedisResult<Value> {
        match &self.what {
            What::One(cmd) => client.send_packed_command(cmd).await,
            What::Many(pipeline) => {
                client.send_packed_commands(pipeline, 0, pipeline.len()).await.map(Value::Array)
            }
        }
    }

    /// The failure that the server answered with, in place of any of the answers.
    pub(super) fn refusal(&self, answer: &Value) -> Option<Failure> {
        let answers = match (&self.what, answer) {
            (What::Many(_), Value::Array(answers)) => answers.as_slice(),
            (_, answer) => std::slice::from_ref(answer),
        };
        answers.iter().find_map(|answer| match answer {
            Value::ServerError(err) => Some(Failure::server(err)),
            _ => None,
        })
    }
}

#[cfg(feature = "redis-cluster")]
impl Request {
    /// Of however many commands there are.
    pub(super) fn of(mut commands: Vec<Command>) -> Self {
        match commands.pop() {
            Some(only) if commands.is_empty() => Self::one(only),
            last => Self::many(commands.into_iter().chain(last)),
        }
    }

    /// The answers to its commands, which are so many.
    pub(super) fn answers(&self, answer: Value, count: usize) -> Result<Vec<Value>, Failure> {
        match &self.what {
            What::One(_) => Ok(vec![answer]),
            What::Many(_) => each(answer, count),
        }
    }

    /// A copy of one of its commands.
    pub(super) fn command(&self, at: usize) -> Option<Cmd> {
        match &self.what {
            What::One(cmd) => Some(cmd.clone()),
            What::Many(pipeline) => pipeline.cmd_iter().nth(at).cloned(),
        }
    }
}

/// The response limit for so many bytes.
pub(super) fn answered_within(response: Duration, size: usize) -> Duration {
    let nanos = (size as u64).saturating_mul(1_000_000_000) / BYTES_PER_SECOND;
    response.saturating_add(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_grows_with_the_size_sent() {
        let of = |size| Request::one(Command::new(&mut Cmd::new(), size)).limit(Duration::from_secs(1));
        assert_eq!(of(0), Duration::from_secs(1));
        assert_eq!(of(4 * 1024 * 1024), Duration::from_secs(2));
        assert_eq!(of(64 * 1024 * 1024), Duration::from_secs(17));
    }
}
