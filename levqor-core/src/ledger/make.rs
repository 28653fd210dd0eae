//! The constructors of every legal [`Entry`]; there are no others.

use super::{Account, CREDITS_MAX, Cause, Entry, EntryId, LedgerError, Pack};
use crate::ids::RunId;
use crate::time::Timestamp;

/// Sets `credits` aside for one attempt of a step: available → held. `step` carries its
/// iterations. 0 credits is fine and moves nothing.
///
/// # Errors
/// [`LedgerError::Amount`] over [`CREDITS_MAX`].
pub fn hold(
    run: RunId,
    step: &str,
    attempt: u32,
    credits: u64,
    at: Timestamp,
) -> Result<Entry, LedgerError> {
    if credits > CREDITS_MAX {
        return Err(LedgerError::Amount { credits });
    }
    let id = EntryId::derive(Cause::Hold, &[&run.to_string(), step, &attempt.to_string()]);
    Ok(Entry {
        id,
        from: Account::Available,
        to: Account::Held,
        credits,
        cause: Cause::Hold,
        run: Some(run),
        step: Some(step.to_owned()),
        attempt: Some(attempt),
        reference: None,
        at,
    })
}

/// Charges `credits` of a hold (held → consumed) and gives the rest back. The charge's id is
/// derived from run and step without the attempt: a step is charged at most once, ever.
///
/// # Errors
/// [`LedgerError::OverHold`] when more is charged than is held; [`LedgerError::NotPostable`] when
/// `hold` is no hold.
pub fn capture(hold: &Entry, credits: u64, at: Timestamp) -> Result<Vec<Entry>, LedgerError> {
    let (run, step, attempt) = of_hold(hold)?;
    let rest = hold
        .credits
        .checked_sub(credits)
        .ok_or(LedgerError::OverHold { held: hold.credits, asked: credits })?;
    let mut made = vec![Entry {
        id: EntryId::derive(Cause::Capture, &[&run, step]),
        from: Account::Held,
        to: Account::Consumed,
        credits,
        cause: Cause::Capture,
        at,
        ..hold.clone()
    }];
    if rest > 0 {
        made.push(back(hold, &run, step, attempt, Cause::Release, rest, at));
    }
    Ok(made)
}

/// Gives a whole hold back: held → available.
///
/// # Errors
/// [`LedgerError::NotPostable`] when `hold` is no hold.
pub fn release(hold: &Entry, at: Timestamp) -> Result<Entry, LedgerError> {
    let (run, step, attempt) = of_hold(hold)?;
    Ok(back(hold, &run, step, attempt, Cause::Release, hold.credits, at))
}

/// Gives a hold back that nobody resolved in time: held → available.
///
/// # Errors
/// [`LedgerError::NotPostable`] when `hold` is no hold.
pub fn expire(hold: &Entry, at: Timestamp) -> Result<Entry, LedgerError> {
    let (run, step, attempt) = of_hold(hold)?;
    Ok(back(hold, &run, step, attempt, Cause::Expire, hold.credits, at))
}

/// Gives credits: promotional → available. `reference` names what for (`plan/pro/2026-11`,
/// `welcome`) and makes it happen once.
///
/// # Errors
/// [`LedgerError::Amount`] for 0 or over [`CREDITS_MAX`].
pub fn grant(reference: &str, credits: u64, at: Timestamp) -> Result<Entry, LedgerError> {
    outside(Cause::Grant, Account::Promotional, Account::Available, reference, credits, at)
}

/// Books a pack that was paid for: purchased → available. `payment` is the payment's id at the
/// payment provider; the same payment books once.
///
/// # Errors
/// [`LedgerError::Amount`] for a pack of 0 credits or over [`CREDITS_MAX`].
pub fn purchase(pack: &Pack, payment: &str, at: Timestamp) -> Result<Entry, LedgerError> {
    outside(Cause::Purchase, Account::Purchased, Account::Available, payment, pack.credits, at)
}

/// Takes credits back because `payment` was paid back: available → refunded. Refused by the
/// commit when they were spent already.
///
/// # Errors
/// [`LedgerError::Amount`] for 0 or over [`CREDITS_MAX`].
pub fn refund(payment: &str, credits: u64, at: Timestamp) -> Result<Entry, LedgerError> {
    outside(Cause::Refund, Account::Available, Account::Refunded, payment, credits, at)
}

/// Rewards a referral: promotional → available. `referee` makes it happen once per referee.
///
/// # Errors
/// [`LedgerError::Amount`] for 0 or over [`CREDITS_MAX`].
pub fn referral(referee: &str, credits: u64, at: Timestamp) -> Result<Entry, LedgerError> {
    outside(Cause::Referral, Account::Promotional, Account::Available, referee, credits, at)
}

/// An operator's correction by `delta` credits. `reference` says why and makes it happen once.
///
/// # Errors
/// [`LedgerError::Amount`] for 0 or over [`CREDITS_MAX`] in either direction.
pub fn adjust(reference: &str, delta: i64, at: Timestamp) -> Result<Entry, LedgerError> {
    let (from, to) = if delta < 0 {
        (Account::Available, Account::Adjusted)
    } else {
        (Account::Adjusted, Account::Available)
    };
    outside(Cause::Adjust, from, to, reference, delta.unsigned_abs(), at)
}

fn outside(
    cause: Cause,
    from: Account,
    to: Account,
    reference: &str,
    credits: u64,
    at: Timestamp,
) -> Result<Entry, LedgerError> {
    if credits == 0 || credits > CREDITS_MAX {
        return Err(LedgerError::Amount { credits });
    }
    Ok(Entry {
        id: EntryId::derive(cause, &[reference]),
        from,
        to,
        credits,
        cause,
        run: None,
        step: None,
        attempt: None,
        reference: Some(reference.to_owned()),
        at,
    })
}

fn of_hold(hold: &Entry) -> Result<(String, &str, u32), LedgerError> {
    match (hold.cause, hold.run, &hold.step, hold.attempt) {
        (Cause::Hold, Some(run), Some(step), Some(attempt)) => Ok((run.to_string(), step, attempt)),
        _ => Err(LedgerError::NotPostable),
    }
}

fn back(
    hold: &Entry,
    run: &str,
    step: &str,
    attempt: u32,
    cause: Cause,
    credits: u64,
    at: Timestamp,
) -> Entry {
    Entry {
        id: EntryId::derive(cause, &[run, step, &attempt.to_string()]),
        from: Account::Held,
        to: Account::Available,
        credits,
        cause,
        at,
        ..hold.clone()
    }
}
