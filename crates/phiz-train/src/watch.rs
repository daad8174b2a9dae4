//! What a run tells whoever looks on.

use std::time::Duration;

/// Figures or losses by name.
pub type Figures = Vec<(String, f32)>;

/// A run between two reports.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub total: u64,
    /// Side of the pictures in pixels.
    pub size: usize,
    /// Learning rate of the last step.
    pub rate: f64,
    /// Mean losses since the last report.
    pub losses: Figures,
    /// Norm of the last step's gradient.
    pub gradient: f32,
    /// Steps since the run began that changed nothing, because their loss was no number.
    pub skipped: u64,
    /// Pictures learnt a second, lately.
    pub images_per_second: f64,
    /// Estimated time to the end.
    pub left: Duration,
}

/// Somebody who looks on.
pub trait Watch {
    /// A line of text.
    fn note(&mut self, text: &str);
    /// A report.
    fn progress(&mut self, progress: &Progress);
    /// Held-out figures after a step.
    fn held_out(&mut self, step: u64, figures: &Figures);
    /// Whether the run shall end here, to be resumed later.
    fn wants_to_stop(&mut self) -> bool {
        false
    }
}

/// One line for everything, for logs and pipes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines;

impl Watch for Lines {
    fn note(&mut self, text: &str) {
        println!("{text}");
    }
    fn progress(&mut self, p: &Progress) {
        let skipped = if p.skipped > 0 { format!("{} steps skipped ", p.skipped) } else { String::new() };
        println!(
            "step {}/{} size {} rate {:.2e} {} grad {:.2} {skipped}{:.1} images/s {} left",
            p.step,
            p.total,
            p.size,
            p.rate,
            listed(&p.losses),
            p.gradient,
            p.images_per_second,
            time(p.left)
        );
    }
    fn held_out(&mut self, step: u64, figures: &Figures) {
        println!("held out at step {step}: {}", listed(figures));
    }
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Watch for Silent {
    fn note(&mut self, _: &str) {}
    fn progress(&mut self, _: &Progress) {}
    fn held_out(&mut self, _: u64, _: &Figures) {}
}

/// `name value name value`.
#[must_use]
pub fn listed(figures: &Figures) -> String {
    let each: Vec<String> = figures.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
    each.join(" ")
}

/// A length of time as people say it, `2 h 05 min`, `7 min`, `40 s`.
#[must_use]
pub fn time(length: Duration) -> String {
    match length.as_secs() {
        s @ 0..100 => format!("{s} s"),
        s @ 100..6000 => format!("{} min", (s + 30) / 60),
        s => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}
