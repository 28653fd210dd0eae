//! Telegram: the token given to `setWebhook` comes back in `X-Telegram-Bot-Api-Secret-Token`.
//!
//! That is no signature: who has seen one request can write another. Only the line's encryption
//! keeps it. There is no time in it either; an update is known by its `update_id`.

use super::mac::Keys;
use super::{Arrived, Proof, Refusal, hash_of, header};

pub(super) fn check(keys: &Keys, arrived: &Arrived<'_>) -> Result<Proof, Refusal> {
    let token = header(arrived, "x-telegram-bot-api-secret-token")?;
    if !keys.are(token) {
        return Err(Refusal::Wrong);
    }
    Ok(Proof { id: None, signed: hash_of(&[arrived.body]) })
}
