//! A run live in a terminal: progress, curves of loss and held-out figures, speed, time left.
//!
//! Drawn by [`draw`] from a [`Board`] that only collects, so that what is shown can be tested without a terminal.
//! `q` ends the run with a checkpoint.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph};
use ratatui::{DefaultTerminal, Frame};

use crate::watch::Figures;
use crate::watch::{Progress, Watch, listed, time};

/// Reports that a curve shows.
const KEPT: usize = 2000;

/// What is shown.
#[derive(Debug, Default)]
pub struct Board {
    notes: VecDeque<String>,
    progress: Option<Progress>,
    losses: VecDeque<(f64, f64)>,
    held_out: Vec<(u64, Figures)>,
}

impl Board {
    fn note(&mut self, text: &str) {
        self.notes.push_back(text.to_string());
        if self.notes.len() > 6 {
            self.notes.pop_front();
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if let Some((_, loss)) = progress.losses.iter().find(|(name, _)| name == "loss") {
            self.losses.push_back((progress.step as f64, f64::from(*loss)));
        }
        if self.losses.len() > KEPT {
            self.losses.pop_front();
        }
        self.progress = Some(progress.clone());
    }
}

/// Draws a board.
pub fn draw(frame: &mut Frame<'_>, board: &Board) {
    let rows = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(4),
        Constraint::Min(6),
        Constraint::Length(8),
    ]);
    let [top, numbers, curves, bottom] = rows.areas(frame.area());
    let (ratio, label) = board.progress.as_ref().map_or((0.0, "loading".into()), |p| {
        let label = format!("step {} of {}, {} left", p.step, p.total, time(p.left));
        (p.step as f64 / p.total.max(1) as f64, label)
    });
    let gauge = Gauge::default().block(Block::bordered().title(" phiz train "));
    frame.render_widget(gauge.ratio(ratio.clamp(0.0, 1.0)).label(label).gauge_style(Color::Blue), top);
    if let Some(p) = &board.progress {
        let skipped = if p.skipped > 0 { format!("   {} steps skipped", p.skipped) } else { String::new() };
        let lines = vec![
            Line::from(listed(&p.losses)),
            Line::from(format!(
                "{} px   learning rate {:.2e}   gradient {:.2}   {:.1} images/s{skipped}",
                p.size, p.rate, p.gradient, p.images_per_second
            )),
        ];
        frame.render_widget(Paragraph::new(lines).block(Block::bordered()), numbers);
    }
    let [left, right] = Layout::horizontal([Constraint::Percentage(50); 2]).areas(curves);
    let losses: Vec<(f64, f64)> = board.losses.iter().copied().collect();
    chart(frame, left, "loss", &losses);
    let figure = board.held_out.last().and_then(|(_, f)| f.first()).map(|(name, _)| name.clone());
    if let Some(figure) = figure {
        let values = board.held_out.iter().filter_map(|(step, figures)| {
            let (_, value) = figures.iter().find(|(name, _)| *name == figure)?;
            Some((*step as f64, f64::from(*value)))
        });
        chart(frame, right, &format!("held out: {figure}"), &values.collect::<Vec<_>>());
    }
    let mut lines: Vec<Line<'_>> = board.notes.iter().map(|n| Line::from(n.as_str())).collect();
    if let Some((step, figures)) = board.held_out.last() {
        lines.push(Line::from(format!("held out at step {step}: {}", listed(figures))));
    }
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(" q ends with a checkpoint ")),
        bottom,
    );
}

fn chart(frame: &mut Frame<'_>, area: Rect, title: &str, points: &[(f64, f64)]) {
    let finite = points.iter().filter(|p| p.1.is_finite());
    let range = |of: fn(&(f64, f64)) -> f64| {
        let values = finite.clone().map(of);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        match (low.is_finite(), low < high) {
            (false, _) => [0.0, 1.0],
            (true, false) => [low - 0.5, low + 0.5],
            (true, true) => [low, high],
        }
    };
    let (x, y) = (range(|p| p.0), range(|p| p.1));
    let kind = if points.len() > 1 { GraphType::Line } else { GraphType::Scatter };
    let data = Dataset::default().graph_type(kind).marker(ratatui::symbols::Marker::Braille);
    let axis = |bounds: [f64; 2], digits: usize| {
        let labels = bounds.map(|v| format!("{v:.digits$}"));
        Axis::default().bounds(bounds).labels(labels).style(Style::default().fg(Color::DarkGray))
    };
    let chart = Chart::new(vec![data.style(Style::default().fg(Color::Cyan)).data(points)])
        .block(Block::bordered().title(format!(" {title} ")))
        .x_axis(axis(x, 0))
        .y_axis(axis(y, 3));
    frame.render_widget(chart, area);
}

/// A board on the terminal.
#[derive(Debug)]
pub struct Dashboard {
    board: Board,
    terminal: DefaultTerminal,
    stopping: bool,
}

impl Dashboard {
    /// Takes over the terminal; none if the output is none.
    #[must_use]
    pub fn open() -> Option<Dashboard> {
        if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
            return None;
        }
        let terminal = ratatui::try_init().ok()?;
        Some(Dashboard { board: Board::default(), terminal, stopping: false })
    }

    /// A terminal that cannot be drawn on any more ends nothing: the run is worth more than its picture.
    fn show(&mut self) {
        let board = &self.board;
        let _ = self.terminal.draw(|frame| draw(frame, board));
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        ratatui::restore();
        // What scrolled away with the picture is said once more.
        if let Some((step, figures)) = self.board.held_out.last() {
            println!("held out at step {step}: {}", listed(figures));
        }
    }
}

impl Watch for Dashboard {
    fn note(&mut self, text: &str) {
        self.board.note(text);
        self.show();
    }
    fn progress(&mut self, progress: &Progress) {
        self.board.progress(progress);
        self.show();
    }
    fn held_out(&mut self, step: u64, figures: &Figures) {
        self.board.held_out.push((step, figures.clone()));
        self.show();
    }
    fn wants_to_stop(&mut self) -> bool {
        while event::poll(Duration::ZERO).unwrap_or(false) {
            match event::read() {
                // In raw mode the terminal hands Ctrl-C over as a key.
                Ok(Event::Key(key))
                    if key.code == KeyCode::Char('q')
                        || key.code == KeyCode::Char('c')
                            && key.modifiers.contains(KeyModifiers::CONTROL) =>
                {
                    self.stopping = true;
                    self.board.note("ends after this step, with a checkpoint");
                    self.show();
                }
                Ok(Event::Resize(..)) => self.show(),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        self.stopping
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    #[test]
    fn the_board_shows_what_matters_at_any_size() {
        let mut board = Board::default();
        board.note("phiz-embed: 3 parameters");
        for step in 1..=3000u32 {
            board.progress(&Progress {
                step: u64::from(step) * 20,
                total: 80_000,
                size: 112,
                rate: 1e-3,
                losses: vec![("loss".into(), 1.0 / step as f32)],
                gradient: 0.5,
                skipped: 0,
                images_per_second: 81.25,
                left: Duration::from_secs(3700),
            });
        }
        board.held_out.push((60_000, vec![("tar_at_far_1e-3".into(), 0.75)]));
        assert_eq!(board.losses.len(), KEPT);
        for (width, height) in [(100, 40), (80, 24), (20, 5), (1, 1)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
            terminal.draw(|frame| draw(frame, &board)).expect("draws");
            let text: String = terminal.backend().buffer().content().iter().map(|c| c.symbol()).collect();
            if width >= 80 {
                for expected in ["60000 of 80000", "62 min left", "81.2 images/s", "0.7500", "phiz-embed"] {
                    assert!(text.contains(expected), "{width}×{height} lacks {expected:?}");
                }
            }
        }
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
        terminal.draw(|frame| draw(frame, &Board::default())).expect("an empty board draws");
    }
}
