//! deploy-rs's remote half, as far as it waits: the output of an activation, `wait`, and the confirmation.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Service;
use crate::admission::{Asker, Wish};
use crate::answer::Outcome;
use crate::client::is_gone;
use crate::refusal::{Code, Refusal};
use crate::runner::meeting::Told;
use crate::runner::outcome_line;
use crate::store_path::StorePath;
use crate::time::Time;
use crate::wire::{self, is_id, Answer, Follow};

pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of output in one answer.
const CHUNK: usize = 64 * 1024;
/// How long the boot loader may take after the confirmation.
const COMMIT_WITHIN: Duration = Duration::from_secs(180);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// An activation whose process never began leaves neither state nor outcome.
const BEGIN_WITHIN: Duration = Duration::from_secs(60);

impl Service {
    pub(super) fn is_gone(&self, stream: &UnixStream) -> bool {
        is_gone(stream.as_fd())
    }

    /// Starts an activation and passes its output on.
    pub(super) fn order(
        &self,
        stream: &UnixStream,
        asker: &Asker,
        wish: Wish,
        with_document: bool,
    ) -> Result<i32> {
        let id = self.launch(asker, wish)?;
        wire::write(stream, &Answer::Began(id.clone()))?;
        self.follow(stream, &Follow { id, offset: 0 }, with_document)
    }

    pub(super) fn follow(
        &self,
        stream: &UnixStream,
        follow: &Follow,
        with_document: bool,
    ) -> Result<i32> {
        anyhow::ensure!(is_id(&follow.id), "no activation has such an id");
        let (mut offset, begun) = (follow.offset, Instant::now());
        loop {
            // Asked for before the output is read, so that none of it is missed.
            let told = self.meeting.told(&follow.id);
            offset = self.pass_on(stream, &follow.id, offset)?;
            if let Some(told) = told {
                if with_document && succeeded(&told) {
                    let text = serde_json::to_string(&self.done()?).context("cannot answer")?;
                    wire::write(stream, &Answer::Document(text))?;
                }
                return exit_code(told);
            }
            if let Some(ended) = self.ended_unseen(&follow.id)? {
                let note = Answer::Note(format!("guard: {}", outcome_line(&ended)));
                wire::write(stream, &note)?;
                return Ok(1);
            }
            if begun.elapsed() > BEGIN_WITHIN && !self.meeting.log_file(&follow.id).exists() {
                anyhow::bail!("the activation was not begun");
            }
            if self.is_gone(stream) {
                anyhow::bail!("the client is gone; the activation goes on");
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// How an activation ended of which nobody told: the host was rebooted in its middle.
    fn ended_unseen(&self, id: &str) -> Result<Option<Outcome>> {
        let state = self.store.read()?;
        let last = state.last.filter(|last| last.id == id);
        let over = state.current.is_none() && self.meeting.told(id).is_none();
        let ended = last.and_then(|last| last.ended).filter(|_| over);
        Ok(ended.map(|ended| ended.outcome).filter(|outcome| {
            // These are written down by the activation itself, which tells of them a moment later.
            matches!(outcome, Outcome::Interrupted | Outcome::TrialFailed { .. })
        }))
    }

    fn pass_on(&self, stream: &UnixStream, id: &str, mut offset: u64) -> Result<u64> {
        let path = self.meeting.log_file(id);
        let Ok(mut log) = std::fs::File::open(&path) else {
            return Ok(offset);
        };
        log.seek(SeekFrom::Start(offset))
            .context("cannot read the output")?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = log.read(&mut chunk).context("cannot read the output")?;
            if count == 0 {
                return Ok(offset);
            }
            offset += count as u64;
            let text = String::from_utf8_lossy(&chunk[..count]).into_owned();
            wire::write(stream, &Answer::Log { text, offset })?;
        }
    }

    /// Until the canary of this closure is there. deploy-rs asks at the same time as it activates, so that this may come
    /// first; what ended before is none of its business.
    pub(super) fn wait(
        &self,
        stream: &UnixStream,
        profile: &StorePath,
        timeout: Duration,
    ) -> Result<i32> {
        let deadline = Instant::now() + timeout.min(LONGEST_WAIT);
        let known: BTreeSet<String> = self.meeting.all_told().into_iter().collect();
        while Instant::now() < deadline && !self.is_gone(stream) {
            let state = self.store.read()?;
            let awaited = state.current.as_ref().is_some_and(|current| {
                current.profile.as_ref() == Some(profile)
                    && self.meeting.canary_is_there(&current.activation.id)
            });
            if awaited {
                return Ok(0);
            }
            let ended = self
                .meeting
                .all_told()
                .into_iter()
                .filter(|id| !known.contains(id))
                .filter_map(|id| self.meeting.told(&id))
                .find(|told| told.profile.as_ref() == Some(profile));
            if let Some(told) = ended {
                return exit_code(told);
            }
            std::thread::sleep(PAUSE);
        }
        wire::write(
            stream,
            &Answer::Note("it was not activated in time".to_owned()),
        )?;
        Ok(1)
    }

    /// What deploy-rs's `rm CANARY` means: a new connection came in. It ends when the new closure is what boots.
    pub(super) fn confirm(&self, stream: &UnixStream, asker: &Asker, hash: &str) -> Result<i32> {
        let state = self.store.read()?;
        let not_awaiting = || Refusal::new(Code::NotAwaiting);
        let current = state.current.ok_or_else(not_awaiting)?;
        let id = current.activation.id;
        let awaiting = self.meeting.awaiting(&id).ok_or_else(not_awaiting)?;
        if awaiting.profile.hash() != hash || awaiting.until <= Time::now() {
            return Err(not_awaiting().into());
        }
        if awaiting.by != asker.name {
            return Err(Refusal::because(Code::NotYours, awaiting.by).into());
        }
        if !self.meeting.take_canary(&id) {
            return Err(not_awaiting().into());
        }
        let deadline = Instant::now() + COMMIT_WITHIN;
        while Instant::now() < deadline {
            if let Some(told) = self.meeting.told(&id) {
                return exit_code(told);
            }
            std::thread::sleep(PAUSE);
        }
        wire::write(
            stream,
            &Answer::Note("confirmed, and not ended yet".to_owned()),
        )?;
        Ok(1)
    }
}

fn succeeded(told: &Told) -> bool {
    let outcome = told.outcome.as_ref();
    told.error.is_none() && outcome.is_none_or(Outcome::is_success)
}

fn exit_code(told: Told) -> Result<i32> {
    let good = succeeded(&told);
    match told.outcome {
        Some(Outcome::Refused { refusal }) => Err(refusal.into()),
        _ if good => Ok(0),
        Some(outcome) => {
            super::eprintln_line(&outcome_line(&outcome));
            Ok(1)
        }
        None => Ok(1),
    }
}
