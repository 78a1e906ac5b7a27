//! HTTP/1 on the wire (RFC 9112): what was read, judged strictly, and what is written.
//!
//! Ours, and not a library's, because a proxy has to do with a message what servers and clients
//! never do: answer the unparsable with a page and a log line, pass interim responses on, keep
//! order and spelling of fields, and refuse whatever two parties could read in two ways.

mod chunked;
mod fields;
mod framing;
mod head;
mod host;
mod reader;
mod spare;
mod target;
mod values;
mod watchdog;
mod writer;

pub use fields::{Field, Fields, is_token, is_value};
pub use framing::{Framing, is_bodiless, request_framing, response_framing};
pub use head::{Malformed, RequestHead, ResponseHead, Version};
pub use host::{Authority, Host};
pub use reader::{ReadError, ReadHalf, Reader};
pub use target::{Form, Scheme, Target, TargetError};
pub use values::{date, quoted, structured_name};
pub use writer::{BodyLength, WriteError, WriteHalf, Writer};
