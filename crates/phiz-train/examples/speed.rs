//! Pictures a second of a training step, and of the loader alone: what docs/performance.md prints.
//!
//! `cargo run --release -p phiz-train --example speed -- flex phiz-embed 112 64 1 5` (back end, network, side, batch,
//! threads, steps; the card of a teacher instead of a network says how fast that looks at pictures). Data and labels are made up; the step is forward, cosine distillation, backward and AdamW.

use std::time::Instant;

use phiz_net::zoo;
use phiz_train::augment::{EFFECTS, Strength, augment};
use phiz_train::backend::Backend;
use phiz_train::loss;
use phiz_train::model::Model;
use phiz_train::optim::{self, Optimiser, Rule};
use phiz_train::random::Random;
use phiz_train::select::{self, BackendChoice, Job, Precision, Wish};
use phiz_train::teacher::Teacher;

struct Speed {
    network: String,
    size: usize,
    batch: usize,
    steps: usize,
}

impl Job for Speed {
    type Output = f64;

    fn run<B: Backend>(self, b: &B) -> f64 {
        if self.network.ends_with(".toml") {
            return self.look(b);
        }
        let net = zoo::by_name(&self.network).expect("a network");
        let dim = net.channels().expect("a network")[net.outputs[0].node];
        let mut random = Random::new(1);
        let mut model = Model::new(b, &net, &mut random).expect("a model");
        let mut optimiser = Optimiser::new(Rule::default(), 0.05, 5.0, &net);
        let bytes: Vec<u8> =
            (0..self.batch * self.size * self.size * 3).map(|_| random.bits() as u8).collect();
        let target: Vec<f32> = (0..self.batch * dim).map(|_| random.normal()).collect();
        let target = loss::unit(b, &b.constant(&target, &[self.batch, dim]));
        let mut best = f64::INFINITY;
        for _ in 0..=self.steps {
            let began = Instant::now();
            let x = b.pictures(&bytes, self.batch, self.size, self.size, [127.5; 3], [127.5; 3]);
            let x = loss::unit(b, &model.forward(b, &x, true)[0]);
            let loss = loss::cosine_distillation(b, &x, &target);
            let gradients = optim::gradients(b, &loss, &model.tensors);
            optimiser.step(b, &mut model.tensors, &gradients, 1e-3);
            assert!(b.scalar(&loss).is_finite());
            best = best.min(began.elapsed().as_secs_f64());
        }
        self.batch as f64 / best
    }
}

impl Speed {
    /// A teacher instead of a network: what it says of pictures.
    fn look<B: Backend>(&self, b: &B) -> f64 {
        let teacher = Teacher::open(b, self.network.as_ref()).expect("a teacher");
        let mut random = Random::new(1);
        let bytes: Vec<u8> = (0..self.batch * 112 * 112 * 3).map(|_| random.bits() as u8).collect();
        let mut best = f64::INFINITY;
        for _ in 0..=self.steps {
            let began = Instant::now();
            let said = teacher.look(b, &bytes, self.batch).expect("templates");
            assert!(b.values(&said.templates).iter().all(|v| v.is_finite()));
            best = best.min(began.elapsed().as_secs_f64());
        }
        self.batch as f64 / best
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: usize| args.get(i).map_or(default, |a| a.parse().expect("a number"));
    let back_end = args.first().map_or("flex", String::as_str);
    let (backend, precision) = match back_end {
        "flex" => (BackendChoice::Flex, Precision::F32),
        "libtorch" => (BackendChoice::Libtorch, Precision::F32),
        "libtorch-bf16" => (BackendChoice::Libtorch, Precision::Bf16),
        "vulkan" => (BackendChoice::Vulkan, Precision::F32),
        "loader" => {
            // A picture as smooth as photos are: noise would compress worse than any face.
            let crop: Vec<u8> =
                (0..112 * 112 * 3).map(|i| (128.0 + 90.0 * (i as f32 / 997.0).sin()) as u8).collect();
            let size = number(2, 112);
            let late = Strength {
                blur: 0.1,
                motion: 0.1,
                dark: 0.1,
                jpeg: 0.2,
                mixed: 0.3,
                chin: 0.2,
                mask: 0.1,
                glasses: 0.1,
                ..Strength::default()
            };
            let each = EFFECTS.into_iter();
            for (name, strength) in
                [("default", Strength::default()), ("everything", late)].into_iter().chain(each)
            {
                let began = Instant::now();
                let mut random = Random::new(1);
                let mut out = Vec::new();
                for _ in 0..400 {
                    out.clear();
                    augment(&crop, size, &strength, &mut random, &mut out, None);
                }
                let rate = 400.0 / began.elapsed().as_secs_f64();
                println!("loader {size} px {name}: {rate:.0} images/s on one thread");
            }
            return;
        }
        other => panic!("{other}: flex, libtorch, libtorch-bf16, vulkan or loader"),
    };
    let threads = number(4, 1);
    let (chosen, _) =
        select::choose(Wish { backend, precision, threads, ..Wish::default() }).expect("a back end");
    let network = args.get(1).cloned().unwrap_or_else(|| "phiz-embed".into());
    let (size, batch) = (number(2, 112), number(3, 64));
    let speed = chosen.with(Speed { network: network.clone(), size, batch, steps: number(5, 3) });
    println!("{back_end} {network} {size} px batch {batch} threads {threads}: {speed:.1} images/s");
}
