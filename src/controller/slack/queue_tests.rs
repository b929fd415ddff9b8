use super::*;
use crate::notify::slack::samples::update;

fn queue() -> Queue {
    Queue::new(Config {
        in_flight_max: 2,
        ..Config::default()
    })
}

fn of(revision: i64, moment: Moment) -> Announcement {
    Announcement {
        revision,
        ..update(moment)
    }
}

fn push(queue: &mut Queue, now: Instant, revision: i64, moment: Moment) -> Pushed {
    queue.push(now, of(revision, moment), "C1".into())
}

fn posted() -> Outcome {
    Outcome::Posted(Place {
        channel_id: Some("C1".into()),
        root: Some("1.1".into()),
        latest: Some("1.1".into()),
        searched: true,
    })
}

fn failed() -> Outcome {
    Outcome::Failed {
        doubt: true,
        why: "down".into(),
    }
}

#[test]
fn messages_of_a_thread_go_one_by_one_and_threads_side_by_side() {
    let (mut queue, now) = (queue(), Instant::now());
    for (revision, moment) in [
        (1, Moment::Started),
        (1, Moment::Promoted("a".into())),
        (2, Moment::Started),
        (3, Moment::Started),
    ] {
        assert_eq!(push(&mut queue, now, revision, moment), Pushed::Queued);
    }
    let (one, two) = (queue.next(now).unwrap(), queue.next(now).unwrap());
    assert_eq!((one.what.revision, two.what.revision), (1, 2));
    assert!(queue.next(now).is_none(), "two at once");
    queue.done(now, &one, &posted());
    assert_eq!(
        queue.next(now).unwrap().what.revision,
        3,
        "the other thread's turn"
    );
    queue.done(now, &two, &posted());
    let last = queue.next(now).unwrap();
    assert_eq!(last.what.moment, Moment::Promoted("a".into()));
    assert_eq!(last.place.root.as_deref(), Some("1.1"));
}

#[test]
fn a_repeated_pass_repeats_no_message() {
    let (mut queue, now) = (queue(), Instant::now());
    push(&mut queue, now, 1, Moment::Promoted("a".into()));
    assert_eq!(
        push(&mut queue, now, 1, Moment::Promoted("a".into())),
        Pushed::Repeated
    );
    let job = queue.next(now).unwrap();
    queue.done(now, &job, &posted());
    assert_eq!(
        push(&mut queue, now, 1, Moment::Promoted("a".into())),
        Pushed::Repeated,
        "after sending too"
    );
    assert_eq!(
        push(&mut queue, now, 2, Moment::Promoted("a".into())),
        Pushed::Queued
    );
}

#[test]
fn an_abort_after_a_retry_is_told_again() {
    let (mut queue, now) = (queue(), Instant::now());
    push(&mut queue, now, 1, Moment::Aborted("a".into()));
    let later = Announcement {
        at: crate::notify::slack::samples::at("13:00:00"),
        ..of(1, Moment::Aborted("a".into()))
    };
    assert_eq!(queue.push(now, later, "C1".into()), Pushed::Queued);
}

#[test]
fn a_full_queue_drops_progress_and_never_an_outcome() {
    let (mut queue, now) = (queue(), Instant::now());
    let len = i64::try_from(OUTBOX_LEN_MAX).unwrap();
    for revision in 0..len {
        push(
            &mut queue,
            now,
            revision,
            if revision == 0 {
                Moment::Started
            } else {
                Moment::Promoted("a".into())
            },
        );
    }
    assert_eq!(push(&mut queue, now, len, Moment::Started), Pushed::Dropped);
    assert_eq!(
        push(&mut queue, now, len, Moment::Promoted("b".into())),
        Pushed::Dropped,
        "in the place of progress"
    );
    assert_eq!(
        push(&mut queue, now, len + 1, Moment::Promoted("b".into())),
        Pushed::Queued,
        "beyond the bound"
    );
    assert_eq!((queue.len(), queue.dropped()), (OUTBOX_LEN_MAX + 1, 2));
}

#[test]
fn old_progress_is_dropped_and_old_outcomes_are_sent() {
    let (mut queue, now) = (queue(), Instant::now());
    push(&mut queue, now, 1, Moment::Started);
    push(&mut queue, now, 1, Moment::Aborted("a".into()));
    let later = now + Duration::from_secs(3_600);
    assert_eq!(
        queue.next(later).unwrap().what.moment,
        Moment::Aborted("a".into())
    );
    assert_eq!(queue.dropped(), 1);
}

#[test]
fn pauses_double_to_a_bound_and_end_with_the_first_success() {
    let (mut queue, mut now) = (queue(), Instant::now());
    push(&mut queue, now, 1, Moment::Promoted("a".into()));
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        let job = queue.next(now).unwrap();
        queue.done(now, &job, &failed());
        assert_eq!(queue.wake_at(), Some(now + Duration::from_secs(seconds)));
        assert!(queue.next(now).is_none());
        now += Duration::from_secs(seconds);
    }
    let job = queue.next(now).unwrap();
    assert!(job.doubt, "an earlier attempt may have arrived");
    queue.done(now, &job, &posted());
    assert!(!queue.failing() && queue.len() == 0 && queue.wake_at().is_none());
}

#[test]
fn attempts_that_fail_side_by_side_count_once_and_then_one_asks() {
    let (mut queue, now) = (queue(), Instant::now());
    for revision in 0..4 {
        push(&mut queue, now, revision, Moment::Started);
    }
    let (one, two) = (queue.next(now).unwrap(), queue.next(now).unwrap());
    queue.done(now, &one, &failed());
    queue.done(now, &two, &failed());
    let later = now + Duration::from_secs(1);
    assert!(queue.next(later).is_some());
    assert!(queue.next(later).is_none(), "one probe while Slack fails");
}

#[test]
fn retry_after_holds_every_thread() {
    let (mut queue, now) = (queue(), Instant::now());
    push(&mut queue, now, 1, Moment::Started);
    push(&mut queue, now, 2, Moment::Started);
    let job = queue.next(now).unwrap();
    queue.done(now, &job, &Outcome::Limited(Duration::from_secs(7)));
    assert!(queue.next(now + Duration::from_secs(6)).is_none());
    assert_eq!(queue.wake_at(), Some(now + Duration::from_secs(7)));
    assert!(queue.next(now + Duration::from_secs(7)).is_some());
}

#[test]
fn a_deleted_first_message_starts_a_new_thread() {
    let (mut queue, now) = (queue(), Instant::now());
    push(&mut queue, now, 1, Moment::Started);
    let job = queue.next(now).unwrap();
    queue.done(now, &job, &posted());
    push(&mut queue, now, 1, Moment::Promoted("a".into()));
    let job = queue.next(now).unwrap();
    queue.done(now, &job, &Outcome::RootGone);
    assert_eq!(queue.next(now).unwrap().place.root, None);
}

#[test]
fn threads_are_forgotten_from_the_least_used() {
    let (mut queue, now) = (queue(), Instant::now());
    for revision in 0..=i64::try_from(SLACK_THREADS_MAX).unwrap() {
        push(&mut queue, now, revision, Moment::Started);
        let job = queue.next(now).unwrap();
        queue.done(now, &job, &posted());
    }
    assert_eq!(queue.threads.len(), SLACK_THREADS_MAX);
    assert!(
        !queue.threads.keys().any(|key| key.update.ends_with("/0")),
        "the first is gone"
    );
}
