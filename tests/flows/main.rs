//! Flows: a whole call centre in virtual time. Each test reads as the story of a call; its ladder lies beside it.
//!
//! Where to find what every telephone engineer looks for:
//!
//! | case | test |
//! | --- | --- |
//! | answered | `calls::a_caller_who_agrees_is_served_and_recorded` |
//! | busy | `calls::a_busy_agent_is_busy_for_the_caller` |
//! | no answer | `calls::an_agent_who_does_not_answer_is_cancelled_in_time` |
//! | caller cancels while ringing | `calls::a_caller_who_gives_up_while_it_rings_is_let_go` |
//! | both answer at once after CANCEL | `calls::an_answer_that_crosses_the_cancel_is_hung_up` |
//! | refused consent | `calls::a_caller_who_declines_consent_is_served_but_not_recorded` |
//! | hold and resume | `holds::hold_and_resume_are_told_to_the_other_side` |
//! | agent gone in mid-call | `faults::an_agent_gone_in_mid_call_is_missed_by_its_silence` |
//! | re-INVITE glare (491) | `holds::who_asks_second_is_told_to_wait`, `holds::a_491_is_tried_again_in_its_time_*` |
//! | lost 200 | `faults::a_lost_200_is_sent_again_until_it_is_acknowledged` |
//! | lost ACK | `faults::a_lost_ack_is_asked_for_by_another_200` |
//! | lost BYE | `faults::a_lost_bye_is_sent_again` |
//! | duplicate INVITE | `faults::a_duplicate_invite_is_answered_again_and_rings_nobody_twice` |
//! | merged request (482) | `faults::a_request_that_comes_by_two_ways_is_served_once` |
//! | trunk refuses | `calls::a_trunk_that_refuses_is_heard_by_the_caller` |
//! | queue empty | `calls::a_queue_without_agents_refuses_before_it_costs` |
//! | forwarded: always, busy, no answer | `forwarding::call_forwarding_*` |
//! | ring group | `groups` |
//! | feature codes | `features`, `pickups`, `forwarding::a_user_forwards_and_is_left_in_peace_by_codes` |
//! | calls in a circle | `circles`, `forwarding::forwards_that_run_in_a_circle_end_it` |
//! | who may dial out | `outward::who_dials_what_they_may_not_is_told_and_no_place_is_taken` |
//! | emergency | `outward::an_emergency_goes_out_when_nothing_else_does` |
//! | a flow of RFC 3665 | `rfc3665::section_*` |
//! | PRACK, early media, forks behind a carrier | `reliable` |
//! | session timers | `refreshes` |
//! | messages that cross (RFC 5407), failed re-INVITEs (RFC 6141) | `races` |
//! | trunk's server silent, refused, overloaded | `gateways::a_silent_server_is_given_up_for_the_next_and_tried_last_from_then_on` |
//! | lamps (BLF) and messages (MWI) | `subscriptions`, `subscribing` |
//! | what is said to others than us | `courtesies` |
//! | anything, in bad weather | `chaos` |
#![expect(clippy::disallowed_methods, reason = "virtual time begins at some instant")]

mod assurance;
mod attended;
mod calls;
mod chaos;
mod circles;
mod courtesies;
mod dialogs;
mod door;
mod endings;
mod faults;
mod features;
mod forwarding;
mod gateways;
mod groups;
mod headers;
mod hearing;
mod holds;
mod identities;
mod lab;
mod offers;
mod outward;
mod pickups;
mod questions;
mod races;
mod recordings;
mod referrals;
mod refreshes;
mod registering;
mod reliable;
mod restarts;
mod retention;
mod rfc3665;
mod rfc5359;
mod strangers;
mod subscribing;
mod subscriptions;
mod transfers;
mod troubles;
