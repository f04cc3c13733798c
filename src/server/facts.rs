//! The switch's facts as lines of the log. What begins with `security` keeps its form: other programs read it.

use crate::switch::log::Fact;
use crate::switch::storage::{Level, Space};

pub(super) fn write(fact: &Fact) {
    match fact {
        Fact::AuthenticationFailed { source, method } => {
            tracing::warn!(security = "auth_failed", src = %source.ip().to_canonical(), port = source.port(), method);
        }
        Fact::StrangerRefused { source } => {
            tracing::warn!(security = "stranger_refused", src = %source.ip().to_canonical(), port = source.port());
        }
        Fact::MoreAttempts { source: Some(source), count } => {
            tracing::warn!(security = "more_attempts", src = %source, count);
        }
        Fact::MoreAttempts { source: None, count } => {
            tracing::warn!(security = "more_attempts", src = "many", count);
        }
        Fact::Blocked { source, why, span } => {
            tracing::warn!(security = "blocked", src = %source, why, seconds = span.as_secs());
        }
        Fact::DialRefused { source, why, country } => {
            let country = country.map_or_else(|| "unknown".to_owned(), |it| it.to_string());
            tracing::warn!(security = "dial_refused", src = %source.ip().to_canonical(), port = source.port(), why, %country);
        }
        Fact::ForwardRefused { call, why, country } => {
            let country = country.map_or_else(|| "unknown".to_owned(), |it| it.to_string());
            tracing::warn!(security = "forward_refused", %call, why, %country);
        }
        Fact::EmergencyCall { call, route } => {
            tracing::warn!(security = "emergency_call", %call, %route);
        }
        Fact::CallStarted { call, route } => tracing::info!(event = "call_started", %call, %route),
        Fact::CallRefused { status, why } => {
            tracing::info!(event = "call_refused", status = status.code(), why);
        }
        Fact::GatewayDown { trunk, address } => {
            tracing::warn!(event = "gateway_down", %trunk, %address);
        }
        Fact::GatewayUp { trunk, address } => {
            tracing::info!(event = "gateway_up", %trunk, %address);
        }
        Fact::TrunkRegistered { trunk, address } => {
            tracing::info!(event = "trunk_registered", %trunk, %address);
        }
        Fact::TrunkUnregistered { trunk, why } => {
            tracing::warn!(event = "trunk_unregistered", %trunk, %why);
        }
        Fact::CallEnded { call, cause } => tracing::info!(event = "call_ended", %call, %cause),
        Fact::Unrecorded { call, why } => tracing::info!(event = "unrecorded", %call, %why),
        Fact::RecordingGoesOn { call, recording } => {
            tracing::info!(event = "recording_goes_on", %call, %recording);
        }
        Fact::RecordingFailed { recording, cause } => {
            tracing::error!(event = "recording_failed", %recording, %cause);
        }
        Fact::RecordingAlarm { call, alarm, is_raised: true } => {
            tracing::error!(event = "recording_alarm", %call, alarm = alarm.as_str());
        }
        Fact::RecordingAlarm { call, alarm, is_raised: false } => {
            tracing::info!(event = "recording_alarm_over", %call, alarm = alarm.as_str());
        }
        Fact::Storage { level, space: Space { used, left }, lasts } => {
            let hours = lasts.map(|lasts| lasts.as_secs() / 3_600);
            match level {
                Level::Enough => {
                    tracing::info!(event = "storage", level = level.as_str(), used, left, hours);
                }
                Level::Low => {
                    tracing::warn!(event = "storage", level = level.as_str(), used, left, hours);
                }
                Level::Full => {
                    tracing::error!(event = "storage", level = level.as_str(), used, left, hours);
                }
            }
        }
        Fact::PurgeFailed { recording, cause } => {
            tracing::error!(event = "purge_failed", %recording, %cause);
        }
    }
}
