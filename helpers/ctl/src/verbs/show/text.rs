//! Formats the result of `vassalctl show` for people: phases as headings, with aligned columns below.

use super::model::{From, Shown, Step};
use crate::render::table::table;

/// The place, the action, and the details.
type Row = [String; 3];

/// Formats the data.
pub fn text(shown: &Shown) -> String {
    let mut text = format!("{}  {}  {}\n", shown.name, shown.unit, shown.file);
    text += &match shown.namespaces.as_slice() {
        [] => "in the host's namespaces\n".to_owned(),
        names => format!("cloned into {}\n", names.join(",")),
    };
    let mut sections = sections(shown);
    sections.retain(|(_, rows)| !rows.is_empty());
    let places = sections
        .iter()
        .flat_map(|(_, rows)| rows)
        .map(|[place, ..]| place.len());
    let width = places.max().unwrap_or(0);
    for (heading, mut rows) in sections {
        for [place, ..] in &mut rows {
            *place = format!("{place:<width$}");
        }
        text += &format!("\n{heading}\n{}", table(&rows));
    }
    text += &unit(&shown.unit, &shown.drop_in);
    if let Some(drop_in) = &shown.socket_drop_in {
        text += &unit(&shown.unit.replace(".service", ".socket"), drop_in);
    }
    text
}

fn unit(name: &str, drop_in: &str) -> String {
    let lines = drop_in.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<&str> = lines.skip_while(|line| line.is_empty()).collect();
    format!(
        "\nunit {name}\n  {}\n",
        lines.join("\n  ").replace("\n  \n", "\n\n")
    )
}

/// The headings with the rows below them.
fn sections(shown: &Shown) -> Vec<(String, Vec<Row>)> {
    let phases = shown.operations.chunk_by(|one, other| one.phase == other.phase);
    let heading = |steps: &[Step]| steps.first().map(|first| first.phase.clone()).unwrap_or_default();
    let mut sections: Vec<_> = phases.map(|phase| (heading(phase), steps(phase))).collect();
    let app = &shown.app;
    let start = row(app.from.as_ref(), "start", &app.command);
    sections.push(("app".into(), vec![start]));
    sections.push(("as-user-atexit".into(), steps(&shown.atexit)));
    let watch = shown.watch.iter().map(|each| {
        let interval = match each.interval {
            Some(seconds) => format!("probed every {seconds} s; "),
            None => String::new(),
        };
        // The defaults of schedule.rs in vassal-watchdog.
        let deadline = match each.deadline {
            Some(seconds) => format!("{seconds} s"),
            None => "3 s (10 s over a network)".to_owned(),
        };
        let detail = format!("{interval}hung when a request is unanswered for {deadline}");
        row(each.from.as_ref(), &each.path, &detail)
    });
    sections.push(("watched mountpoints".into(), watch.collect()));
    let sockets = shown.sockets.iter().map(|each| {
        let detail = format!("bound before the start, backlog {}", each.backlog);
        row(each.from.as_ref(), &each.address, &detail)
    });
    sections.push(("sockets".into(), sockets.collect()));
    let health = shown.health.iter().map(|each| {
        let (interval, deadline, failures) = (each.interval, each.deadline, each.failures);
        let detail =
            format!("asked for every {interval} s; {failures} in a row without status 200 within {deadline} s restart it");
        row(each.from.as_ref(), &each.url, &detail)
    });
    let watchdog = shown.watchdog.iter().map(|each| {
        let detail = match each.seconds {
            Some(seconds) => format!("within {seconds} s, or it is restarted"),
            None => "not heard".to_owned(),
        };
        row(each.from.as_ref(), "WATCHDOG=1", &detail)
    });
    sections.push(("health".into(), health.chain(watchdog).collect()));
    let reload = &shown.reload;
    let reload = row(reload.from.as_ref(), &reload.way, &reload.reason);
    sections.push(("reload".into(), vec![reload]));
    let given = app.given.iter();
    let given = given.map(|each| row(each.from.as_ref(), &each.option, &format!("= {}", each.value)));
    sections.push(("uWSGI is given".into(), given.collect()));
    sections
}

fn steps(steps: &[Step]) -> Vec<Row> {
    let row = |step: &Step| row(step.from.as_ref(), step.action, &step.detail);
    steps.iter().map(row).collect()
}

fn row(from: Option<&From>, what: &str, rest: &str) -> Row {
    let place = from.map_or("-".to_owned(), |from| from.short.clone());
    [place, what.to_owned(), rest.to_owned()]
}
