//! What a serving app is checked for: its answers about its health, and its heartbeat `WATCHDOG=1`.

use crate::app::channel::AppChannel;
use crate::environment::Environment;
use std::time::Duration;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::plan::Plan;
use vassal_config::vassal::reload::overlap::is_kept;
use vassal_config::vassal::settings::liveness::Watchdog;
use vassal_state::app::{HealthCheck, Heartbeat, Url};

/// How the app of `plan` is asked for its health, if it is.
pub fn health(plan: &Plan) -> Option<HealthCheck> {
    let check = &plan.settings.health;
    let ((address, path), origin) = check.url.as_ref()?;
    Some(HealthCheck {
        url: Url {
            address: address.clone(),
            path: path.clone(),
            is_kept: is_kept(plan, address),
        },
        interval: check.interval,
        deadline: check.deadline,
        failures: check.failures,
        origin: origin.to_string(),
    })
}

/// The heartbeat that is expected of an app with a notification socket. Without a setting in the file it is the unit's
/// own `WatchdogSec=` (`watchdog`), and it is expected only of an app that has begun to send: most programs know
/// nothing of it.
pub fn heartbeat(plan: &Plan, channel: &AppChannel, watchdog: Duration) -> Option<Heartbeat> {
    let AppChannel::Notify(..) = channel else {
        return None;
    };
    match &plan.settings.watchdog {
        Some(Watchdog::Off) => None,
        Some(Watchdog::Within(limit, origin)) => Some(Heartbeat {
            limit: *limit,
            origin: Some(origin.to_string()),
        }),
        None if watchdog.is_zero() => None,
        None => Some(Heartbeat {
            limit: watchdog,
            origin: None,
        }),
    }
}

/// The heartbeat that is expected of a uWSGI that has begun to send it (EMP-19).
pub fn of_uwsgi(plan: &Plan) -> Option<Heartbeat> {
    matches!(plan.payload, Payload::Uwsgi { .. }).then(|| Heartbeat {
        limit: plan.heartbeat,
        origin: None,
    })
}

/// The environment variables of sd_watchdog_enabled(3) for the program that this process becomes. The process number in
/// them is that of its own PID namespace.
pub fn environment(limit: Option<Duration>) -> Environment {
    let Some(limit) = limit else {
        return Vec::new();
    };
    let variables = [
        ("WATCHDOG_USEC", limit.as_micros().to_string()),
        ("WATCHDOG_PID", std::process::id().to_string()),
    ];
    variables.map(|(name, value)| (name.into(), value.into())).into()
}
