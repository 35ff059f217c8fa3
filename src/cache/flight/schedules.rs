//! The same files, on shuttle's lock and counter: its scheduler decides at each of them who goes on, and finds deadlocks,
//! which is what a lost wake-up is.
#![allow(clippy::duplicate_mod, dead_code)] // the files of `flight`, compiled once more; a part is used

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize as Count, Ordering::SeqCst},
};

use shuttle::{
    future::{JoinHandle, block_on, spawn, yield_now as pause},
    sync::{Mutex, MutexGuard, atomic::AtomicUsize},
    thread,
};

#[path = "leader.rs"]
mod leader;
#[path = "model.rs"]
mod model;
#[path = "slot.rs"]
mod slot;
#[path = "table.rs"]
mod table;
#[path = "write.rs"]
mod write;

use leader::{Leader, Turn};
use model::{Model, key, number};
use slot::Published;
use table::{SlotKey, Slots};
use write::WriteTurn;

use crate::sync::scheduled::{at_most, chance, pct, random};

#[test]
fn random_calls_return_nothing_old_and_leave_nothing() {
    random(2_000, || {
        let model = Arc::new(Model::default());
        let calls = (0..4).map(|_| {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                block_on(async {
                    model.call().await;
                    model.call().await;
                });
            })
        });
        calls.collect::<Vec<_>>().into_iter().for_each(|call| call.join().unwrap());
        model.check();
    });
}

#[test]
fn a_set_dropped_during_a_computed_write_leaves_nothing_old() {
    for check in [random, pct] {
        check(1_500, || {
            let model = Arc::new(Model::default());
            block_on(model.fill());
            let calls = [0, 1, 2, 3].map(|call| {
                let model = Arc::clone(&model);
                spawn(async move { model.call_around_a_dropped_set(call).await })
            });
            join(calls);
            model.check();
        });
    }
}

#[test]
fn failing_leaders_follow_one_another_until_one_publishes() {
    for check in [random, pct] {
        check(500, || {
            let (slots, leading, wins) =
                (Arc::new(Slots::default()), Arc::new(Count::new(0)), Arc::new(Count::new(0)));
            let calls = (0..4).map(|call| {
                let (slots, leading, wins) = (slots.clone(), leading.clone(), wins.clone());
                spawn(async move {
                    match slots.enter(key(1)).lead_or(number).await {
                        Turn::Value(value) => assert_eq!(value, 7),
                        Turn::Lead(mut leader) => {
                            assert_eq!(leading.fetch_add(1, SeqCst), 0, "two lead");
                            pause().await;
                            leading.fetch_sub(1, SeqCst);
                            if call % 2 == 0 {
                                assert!(leader.publish(Arc::new(7_u64), || ()));
                                wins.fetch_add(1, SeqCst);
                            }
                        }
                    }
                })
            });
            join(calls);
            assert!(wins.load(SeqCst) > 0);
            assert_eq!(slots.len(), 0);
        });
    }
}

#[test]
fn who_waited_for_a_leader_that_publishes_does_not_lead() {
    for check in [random, pct] {
        check(500, || {
            let slots = Arc::new(Slots::default());
            let calls = (0..4).map(|_| {
                let slots = slots.clone();
                spawn(async move {
                    let seat = slots.enter(key(1));
                    if let Turn::Lead(mut leader) = seat.lead_or(number).await {
                        assert!(!seat.waited());
                        pause().await;
                        assert!(leader.publish(Arc::new(7_u64), || ()));
                    }
                })
            });
            join(calls);
            assert_eq!(slots.len(), 0);
        });
    }
}

#[test]
fn all_have_the_value_before_it_is_written() {
    for check in [random, pct] {
        check(500, || {
            let (slots, without) = (Arc::new(Slots::default()), Arc::new(Count::new(3)));
            let calls = (0..3).map(|_| {
                let (slots, without) = (slots.clone(), without.clone());
                spawn(async move {
                    let turn = slots.enter(key(1)).lead_or(number).await;
                    without.fetch_sub(1, SeqCst);
                    if let Turn::Lead(mut leader) = turn {
                        assert!(leader.publish(Arc::new(7_u64), || ()));
                        let _turn = leader.write().await.unwrap();
                        while without.load(SeqCst) > 0 {
                            pause().await;
                        }
                    }
                })
            });
            join(calls);
        });
    }
}

#[test]
fn a_waiter_dropped_when_it_is_woken_passes_the_lead_on() {
    for check in [random, pct] {
        check(500, || {
            let slots = Arc::new(Slots::default());
            let seat = slots.enter(key(1));
            let leader = seat.try_lead().unwrap();
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    let slots = slots.clone();
                    spawn(async move { drop(slots.enter(key(1)).lead_or(number).await) })
                })
                .collect();
            let aborts = waiters[0].abort_handle();
            let aborting = thread::spawn(move || aborts.abort());
            drop(leader);
            aborting.join().unwrap();
            for waiter in waiters {
                let _aborted = block_on(waiter);
            }
            drop(seat);
            assert_eq!(slots.len(), 0);
        });
    }
}

#[test]
fn who_comes_after_a_set_never_gets_what_was_computed_before() {
    for check in [random, pct] {
        check(500, || {
            let slots = Arc::new(Slots::default());
            let set_is_done = Arc::new(AtomicU64::new(0));
            let mut calls = Vec::new();
            for _ in 0..2 {
                let (slots, done) = (slots.clone(), set_is_done.clone());
                calls.push(spawn(async move {
                    let before = done.load(SeqCst);
                    match slots.enter(key(1)).lead_or(number).await {
                        Turn::Value(value) => assert!(value >= before),
                        Turn::Lead(mut leader) => {
                            let value = done.load(SeqCst);
                            pause().await;
                            let published =
                                leader.publish(Arc::new(value), || assert!(value >= done.load(SeqCst)));
                            let turn = leader.write().await;
                            assert!(published || turn.is_none());
                            assert!(turn.is_none() || value >= done.load(SeqCst));
                        }
                    }
                }));
            }
            let (there, done) = (slots.clone(), set_is_done.clone());
            calls.push(spawn(async move {
                let seat = there.enter(key(1));
                let writing = seat.write().await;
                pause().await;
                writing.finish(|| done.store(2, SeqCst));
            }));
            join(calls);
            assert_eq!(slots.len(), 0);
        });
    }
}

#[test]
fn sets_that_are_dropped_leave_the_turn_to_the_next() {
    for check in [random, pct] {
        check(500, || {
            let (slots, writing) = (Arc::new(Slots::default()), Arc::new(Count::new(0)));
            let calls = (0..4).map(|call| {
                let (slots, writing) = (slots.clone(), writing.clone());
                let set = async move {
                    let seat = slots.enter(key(1));
                    let turn = seat.write().await;
                    assert_eq!(writing.fetch_add(1, SeqCst), 0, "two write");
                    writing.fetch_sub(1, SeqCst);
                    turn.finish(|| ());
                };
                let polls = if call % 2 == 0 { 1 } else { u64::MAX };
                spawn(async move { at_most(polls, set).await.unwrap_or_default() })
            });
            join(calls);
            assert_eq!(slots.len(), 0);
        });
    }
}

#[test]
fn a_key_has_one_slot_however_calls_come_and_go() {
    random(500, model::come_and_go);
    pct(500, model::come_and_go);
}

fn join(calls: impl IntoIterator<Item = JoinHandle<()>>) {
    calls.into_iter().collect::<Vec<_>>().into_iter().for_each(|call| block_on(call).unwrap());
}
