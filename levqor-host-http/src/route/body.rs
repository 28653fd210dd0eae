//! A body as it arrives: bounded in size, in time, in speed, and all of them together in memory.

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::http::Problem;
use crate::limits::{BODY_BYTES_PER_SECOND, BODY_GRACE, BODY_TIME};

/// The whole body.
///
/// # Errors
/// `request.body_too_large`, `request.body_slow`, `request.body`, `limit.bodies`.
pub(super) async fn read(app: &App, mut body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let began = Instant::now();
    let declared = hyper::body::Body::size_hint(&body).lower();
    if declared > bytes_max as u64 {
        return Err(too_large(bytes_max));
    }
    let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
    let mut room = app.guard.body();
    loop {
        let frame = match timeout_at(deadline(began, first.len() + whole.len()), body.frame()).await
        {
            Err(_) => return Err(slow()),
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                return Err(Problem::bad_request("request.body", "the body did not arrive whole"));
            }
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers mean nothing to us.
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + whole.len() + data.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        room.take(data.len())?;
        // Most bodies come in one piece and are not copied.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Until when the next part must be there.
fn deadline(began: Instant, received: usize) -> Instant {
    let paid = received as u64 * 1_000 / BODY_BYTES_PER_SECOND;
    let paid = BODY_GRACE + std::time::Duration::from_millis(paid);
    began + paid.min(BODY_TIME)
}

fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("the body is over {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request.body_too_large", detail)
}

fn slow() -> Problem {
    let detail = "the body came too slowly";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request.body_slow", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_buys_its_time_with_bytes() {
        let began = Instant::now();
        for (received, seconds) in [(0, 3), (1_024, 4), (10 * 1_024, 13), (1 << 20, 15)] {
            assert_eq!((deadline(began, received) - began).as_secs(), seconds, "{received}");
        }
    }
}
