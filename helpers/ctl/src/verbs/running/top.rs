//! `vassalctl top`: the list of vassals, updated live, with their present use of the processors.

use super::list::{notes, tone};
use super::names::choose;
use crate::arguments::Top;
use crate::render::amounts::{bytes, time};
use crate::render::output;
use crate::render::rows::{Cell, Form, Tone, rows};
use crate::render::sentences;
use crate::running::cgroup::Detail;
use crate::running::fleet::{Fleet, Vassal, now_usec};
use crate::state::State;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue, style::Print};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The number of lines above the vassals: the summary, the keys, and the header.
const ABOVE: usize = 3;
const KEYS: &str =
    "q quit  arrows move  N name  S state  P processors  M memory  R restarts  F failed only  space pause";
const HEADER: [&str; 8] = [
    "NAME", "STATE", "CPU%", "MEMORY", "MOUNTS", "RESTARTS", "SINCE", "NOTES",
];

/// The order of the vassals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Name,
    State,
    Processors,
    Memory,
    Restarts,
}

/// The state of the screen: what keys have changed, and the last data.
struct Screen<'a> {
    arguments: &'a Top,
    has_colors: bool,
    order: Order,
    failed_only: bool,
    is_paused: bool,
    first: usize,
    fleet: Fleet,
    /// The processor time that each vassal had used at the last update, and when that was.
    used: (Instant, HashMap<String, u64>),
    /// The percentage of a processor that each vassal has used between the last two updates.
    load: HashMap<String, f64>,
}

/// What a key asks for, other than a change of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Stay,
    Quit,
}

/// Puts the terminal into full-screen mode until it is dropped.
struct Terminal;

impl Terminal {
    fn take() -> io::Result<Self> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(Self)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is nothing to restore on a terminal that has gone.
        execute!(io::stdout(), Show, LeaveAlternateScreen).ok();
        disable_raw_mode().ok();
    }
}

/// Shows the vassals until the user quits.
pub fn run(arguments: &Top) -> ExitCode {
    if !io::stdout().is_terminal() {
        return output::fail_with("standard output is no terminal (vassalctl list)", output::FAILED);
    }
    let shown = gather(arguments).and_then(|fleet| {
        let screen = Screen::new(arguments, fleet);
        screen
            .live()
            .map_err(|error| format!("cannot use the terminal: {error}"))
    });
    match shown {
        Ok(()) => ExitCode::from(output::GOOD),
        Err(why) => output::fail_with(&why, output::FAILED),
    }
}

fn gather(arguments: &Top) -> Result<Fleet, String> {
    let fleet = Fleet::gather(&arguments.place, Detail::Line)?;
    choose(&fleet.vassals, &arguments.patterns)?;
    Ok(fleet)
}

impl<'a> Screen<'a> {
    fn new(arguments: &'a Top, fleet: Fleet) -> Self {
        Self {
            arguments,
            has_colors: output::has_colors(),
            order: Order::Processors,
            failed_only: false,
            is_paused: false,
            first: 0,
            used: (Instant::now(), used(&fleet)),
            fleet,
            load: HashMap::new(),
        }
    }

    fn live(mut self) -> io::Result<()> {
        let _terminal = Terminal::take()?;
        let delay = Duration::from_secs_f64(self.arguments.delay);
        let mut next = Instant::now() + delay;
        loop {
            self.draw()?;
            // Waits for a key, a change of the terminal's size, or the next update.
            while poll(next.saturating_duration_since(Instant::now()))? {
                if let Event::Key(key) = read()? {
                    if self.key(key) == Wish::Quit {
                        return Ok(());
                    }
                }
                self.draw()?;
            }
            next = Instant::now() + delay;
            if !self.is_paused {
                // If the vassals cannot be found out just now, the last data remains.
                if let Ok(fleet) = gather(self.arguments) {
                    self.take(fleet);
                }
            }
        }
    }

    /// Takes over new data, and computes what was used since the last update.
    fn take(&mut self, fleet: Fleet) {
        let now = used(&fleet);
        let (since, before) = &self.used;
        let elapsed = since.elapsed().as_secs_f64() * 1e6;
        let share = |(instance, usec): (&String, &u64)| {
            let spent = usec.saturating_sub(*before.get(instance)?);
            Some((instance.clone(), spent as f64 / elapsed * 100.0))
        };
        self.load = now.iter().filter_map(share).collect();
        self.used = (Instant::now(), now);
        self.fleet = fleet;
    }

    fn key(&mut self, key: KeyEvent) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::Stay;
        }
        let page = usize::from(size().map_or(0, |(_, lines)| lines)).saturating_sub(ABOVE + 1);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Wish::Quit,
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Quit,
            KeyCode::Char('n' | 'N') => self.order = Order::Name,
            KeyCode::Char('s' | 'S') => self.order = Order::State,
            KeyCode::Char('p' | 'P') => self.order = Order::Processors,
            KeyCode::Char('m' | 'M') => self.order = Order::Memory,
            KeyCode::Char('r' | 'R') => self.order = Order::Restarts,
            KeyCode::Char('f' | 'F') => self.failed_only = !self.failed_only,
            KeyCode::Char(' ') => self.is_paused = !self.is_paused,
            KeyCode::Down | KeyCode::Char('j') => self.first += 1,
            KeyCode::Up | KeyCode::Char('k') => self.first = self.first.saturating_sub(1),
            KeyCode::PageDown => self.first += page,
            KeyCode::PageUp => self.first = self.first.saturating_sub(page),
            KeyCode::Home => self.first = 0,
            KeyCode::End => self.first = usize::MAX,
            _ => {}
        }
        Wish::Stay
    }

    fn draw(&mut self) -> io::Result<()> {
        let (columns, lines) = size()?;
        let room = usize::from(lines).saturating_sub(ABOVE);
        let chosen = self.chosen();
        self.first = self.first.min(chosen.saturating_sub(room));
        let mut out = io::stdout().lock();
        for (number, line) in self.text(room).lines().take(usize::from(lines)).enumerate() {
            let number = u16::try_from(number).unwrap_or(u16::MAX);
            let line = clipped(line, columns.into());
            queue!(
                out,
                MoveTo(0, number),
                Print(line),
                Clear(ClearType::UntilNewLine)
            )?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        out.flush()
    }

    fn chosen(&self) -> usize {
        self.vassals().len()
    }

    fn vassals(&self) -> Vec<&Vassal> {
        // The patterns were valid at the beginning. A pattern that now matches nothing shows nothing.
        let mut vassals = choose(&self.fleet.vassals, &self.arguments.patterns).unwrap_or_default();
        vassals.retain(|vassal| !self.failed_only || vassal.state.is_bad());
        match self.order {
            Order::Name => {}
            Order::State => vassals.sort_by_key(|vassal| vassal.state),
            Order::Processors => {
                vassals.sort_by(|one, other| self.load_of(other).total_cmp(&self.load_of(one)));
            }
            Order::Memory => vassals.sort_by_key(|vassal| Reverse(vassal.usage.memory)),
            Order::Restarts => vassals.sort_by_key(|vassal| Reverse(vassal.record.restarts)),
        }
        vassals
    }

    fn load_of(&self, vassal: &Vassal) -> f64 {
        self.load.get(&vassal.instance).copied().unwrap_or(0.0)
    }

    fn text(&self, room: usize) -> String {
        let vassals = self.vassals();
        let count = |state| vassals.iter().filter(|vassal| vassal.state == state).count();
        let counts = State::WORDS.map(|(state, word)| (count(state), word));
        let counts: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let memory: u64 = vassals.iter().filter_map(|vassal| vassal.usage.memory).sum();
        // The sum of an empty list of floats is -0.
        let load = vassals
            .iter()
            .map(|vassal| self.load_of(vassal))
            .sum::<f64>()
            .abs();
        let paused = if self.is_paused { "; paused" } else { "" };
        let sum = format!(
            "{} vassals: {}{} memory, {load:.1}% of a processor{paused}",
            vassals.len(),
            counts
                .iter()
                .map(|count| format!("{count}, "))
                .collect::<String>(),
            bytes(memory)
        );
        let now = now_usec();
        let shown = vassals.iter().skip(self.first).take(room);
        let cells: Vec<_> = shown.map(|vassal| self.row(vassal, now)).collect();
        let form = Form {
            is_aligned: true,
            has_legend: true,
            has_colors: self.has_colors,
        };
        format!("{sum}\n{KEYS}\n{}", rows(HEADER, &cells, form))
    }

    fn row(&self, vassal: &Vassal, now: u64) -> [Cell; 8] {
        let mounts = vassal.record.mounts.iter();
        let mounts: Vec<_> = mounts.map(|mount| sentences::mount(mount, now)).collect();
        let since = vassal
            .record
            .since_usec
            .map(|since| time(now.saturating_sub(since)));
        [
            vassal.name.as_str().into(),
            Cell::toned(vassal.state.word(), tone(vassal)),
            format!("{:.1}", self.load_of(vassal)).into(),
            vassal.usage.memory.map(bytes).unwrap_or_default().into(),
            mounts.join(", ").into(),
            vassal.record.restarts.to_string().into(),
            since.unwrap_or_default().into(),
            Cell::toned(notes(vassal, now), Tone::Odd),
        ]
    }
}

fn used(fleet: &Fleet) -> HashMap<String, u64> {
    let vassals = fleet.vassals.iter();
    vassals
        .filter_map(|vassal| Some((vassal.instance.clone(), vassal.usage.cpu_usec?)))
        .collect()
}

/// The beginning of a line that fills `columns` columns. Escape sequences for colors take none, and are closed at the
/// end.
fn clipped(line: &str, columns: usize) -> String {
    let mut clipped = String::new();
    let mut taken = 0;
    let mut is_escape = false;
    for character in line.chars() {
        if is_escape || character == '\x1b' {
            is_escape = character != 'm';
        } else if taken == columns {
            return clipped + "\x1b[0m";
        } else {
            taken += 1;
        }
        clipped.push(character);
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_the_screens_edge_and_its_colors_with_it() {
        assert_eq!(clipped("ab", 3), "ab");
        assert_eq!(clipped("a\x1b[1mbcd", 3), "a\x1b[1mbc\x1b[0m");
        assert_eq!(clipped("a\x1b[1mbc\x1b[0m", 3), "a\x1b[1mbc\x1b[0m");
    }
}
