//! Reads a vassal's file as a start does: `vassal-enter` executes the result, `vassalctl` shows it.

use crate::diagnostic::{Diagnostic, Origin};
use crate::emperor::name::VassalName;
use crate::emperor::settings::Emperor;
use crate::hooks::action::{Action, OnFailure};
use crate::hooks::phase::Phase;
use crate::language::evaluation::entry::{Entry, with_option_of};
use crate::language::evaluation::evaluate::{evaluate, evaluate_foreign};
use crate::limits::FILE_BYTES;
use crate::machine::world::World;
use crate::options::disposition::Disposition;
use crate::options::id::Id;
use crate::unit::cgroup;
use crate::unit::directives::{Directive, directives};
use crate::users::identity::Identity;
use crate::users::trust::{Judgement, judge};
use crate::vassal::address::OnDemandSocket;
use crate::vassal::compile::{after_user, compile};
use crate::vassal::plan::{Operation, Plan};
use crate::vassal::settings::Settings;
use vassal_escape::printable;
use vassal_escape::shell;

/// The result of reading a vassal's file.
#[derive(Debug, Clone)]
pub struct Vassal {
    /// What a start has to do.
    pub plan: Plan,
    /// The directives for its unit.
    pub directives: Vec<Directive>,
    /// Every option and placeholder that took effect, in order ([`crate::language::evaluation::evaluate::Evaluation::effects`]).
    pub effects: Vec<Entry>,
    /// Warnings about lines that work, but probably not as meant.
    pub warnings: Vec<Diagnostic>,
}

/// Reads the file of the vassal `name`. The working directory of `world` must be the emperor's directory that contains
/// it.
///
/// # Errors
/// All errors in the file, in the order in which they were found; never an empty list.
pub fn read(emperor: &Emperor, name: &VassalName, world: &dyn World) -> Result<Vassal, Vec<Diagnostic>> {
    let evaluation = evaluate(&emperor.arguments(name), world).map_err(|error| vec![error])?;
    if let Some(code) = evaluation.exit {
        let message = format!("{}: the file says 'exit = {code}'", shown(name));
        return Err(vec![Diagnostic::error(None, message)]);
    }
    let mut errors = Vec::new();
    let mut settings = settings(emperor, name, world).unwrap_or_else(|error| {
        errors.push(error);
        Settings::default()
    });
    settings.on_demand_socket = OnDemandSocket::of(&emperor.on_demand, name, world).unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    let directives = unit_sections(name, world).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    if settings.command.is_none() && !evaluation.effects.iter().any(is_from_file) {
        let message = format!("{}: no line in a [uwsgi] section", shown(name));
        let hint = "the file is empty, or its section has another name";
        errors.push(Diagnostic::error(None, message).with_hint(hint));
    }
    let compiled = compile(&evaluation.effects, settings, emperor);
    let (mut plan, mut warnings) = match compiled {
        Ok(compiled) if errors.is_empty() => compiled,
        Ok(_) => return Err(errors),
        Err(more) => {
            let more = more.into_iter();
            errors.extend(more.map(|error| with_option_of(error, &evaluation.effects)));
            return Err(errors);
        }
    };
    let Judgement {
        errors,
        warnings: open,
    } = judge(world, &plan.identity, &emperor.trust);
    if !errors.is_empty() {
        return Err(errors);
    }
    warnings.splice(0..0, [evaluation.warnings, open].concat());
    warnings.extend(limits_left_out(&evaluation.effects, &directives));
    start_hook(emperor, name, world, &mut plan);
    Ok(Vassal {
        plan,
        directives,
        effects: evaluation.effects,
        warnings,
    })
}

/// Finds out who else may write the file of the vassal `name` and the files that it includes, by which root acts. For a
/// program that otherwise needs only the file's unit sections.
/// # Errors
/// The errors in the file, because of which this cannot be found out.
pub fn judge_writers(
    emperor: &Emperor,
    name: &VassalName,
    world: &dyn World,
) -> Result<Judgement, Diagnostic> {
    let evaluation = evaluate(&emperor.arguments(name), world)?;
    let mut identity = Identity::from_entries(&evaluation.effects, &mut Vec::new())?;
    emperor.complete(&mut identity);
    Ok(judge(world, &identity, &emperor.trust))
}

/// `vassals-start-hook`: a program (not a shell command) that gets the file's name and runs first in the new
/// namespaces; its exit code is only logged (measured). It runs as the Emperor's user if the vassal does.
fn start_hook(emperor: &Emperor, name: &VassalName, world: &dyn World, plan: &mut Plan) {
    let Some((program, origin)) = &emperor.start_hook else {
        return;
    };
    let command = [
        &b"exec "[..],
        &shell::word(program),
        b" ",
        &shell::word(&name.file()),
    ]
    .concat();
    let run = Action::Exec {
        command,
        failure: OnFailure::Logged,
    };
    let directory = Action::SetEnvironment(b"UWSGI_VASSALS_DIR".to_vec(), world.current_dir().to_vec());
    let is_users = emperor.owns(&plan.identity);
    let phase = if is_users { Phase::AsUser } else { Phase::AsVassal };
    let operation = |action| Operation {
        phase,
        kind: None,
        action,
        option: b"vassals-start-hook".to_vec(),
        text: program.clone(),
        origin: Some(origin.clone()),
    };
    let is_before = |operation: &Operation| operation.phase < Phase::AsVassal;
    let at = match is_users {
        true => after_user(&plan.operations),
        false => plan.operations.partition_point(is_before),
    };
    plan.operations
        .splice(at..at, [operation(directory), operation(run)]);
}

/// Warnings about `cgroup-opt` lines that are in effect, but for which the unit has no directive.
fn limits_left_out(effects: &[Entry], directives: &[Directive]) -> Vec<Diagnostic> {
    let all = cgroup::options(effects);
    let lines = effects.iter().filter(|entry| entry.is(Id::CgroupOpt));
    let left_out = |entry: &Entry| {
        let option = entry.value.as_deref().unwrap_or_default();
        let (why, hint) = match cgroup::directive(option, &all) {
            Ok((key, value))
                if directives
                    .iter()
                    .any(|each| each.key == key && each.value == value) =>
            {
                return None;
            }
            Ok((key, value)) => (
                "it depends on a condition, an include or a variable",
                format!("write {key}={value} in a [Service] section"),
            ),
            Err(why) => (why, "see systemd.resource-control(5)".to_owned()),
        };
        let message = format!("'cgroup-opt = {}' has no effect: {why}", printable(option));
        Some(Diagnostic::warning(Some(entry.origin.clone()), message).with_hint(hint))
    };
    lines.filter_map(left_out).collect()
}

fn shown(name: &VassalName) -> String {
    vassal_escape::printable(&name.file())
}

fn is_from_file(entry: &Entry) -> bool {
    matches!(entry.origin, Origin::File { .. })
}

/// Reads the section `[vassal]`, which is evaluated like `[uwsgi]`.
fn settings(emperor: &Emperor, name: &VassalName, world: &dyn World) -> Result<Settings, Diagnostic> {
    let section = [&name.file(), &b":vassal"[..]].concat();
    let evaluation = evaluate_foreign(&[b"--ini".to_vec(), section], world)?;
    let is_setting = |entry: &Entry| is_from_file(entry) && entry.disposition() != Disposition::Language;
    let entries: Vec<Entry> = evaluation.effects.into_iter().filter(is_setting).collect();
    let mut settings = Settings::from_entries(&entries)?;
    let has_limit = entries.iter().any(|entry| entry.key == b"stop-timeout");
    if let (Some(limit), false) = (emperor.time_limits.stop, has_limit) {
        settings.stop_limit = limit;
    }
    Ok(settings)
}

fn unit_sections(name: &VassalName, world: &dyn World) -> Result<Vec<Directive>, Diagnostic> {
    let file = name.file();
    let text = world.read_file(&file, FILE_BYTES).map_err(|error| {
        let message = format!("{}: cannot read it: {error}", shown(name));
        Diagnostic::error(None, message)
    })?;
    let (taken, errors) = directives(&text, &file);
    errors.into_iter().next().map_or(Ok(taken), Err)
}
