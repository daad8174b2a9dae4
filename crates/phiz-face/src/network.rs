//! A loaded network that is fed pictures as its card says.

use std::sync::{Mutex, PoisonError};

use phiz_engine::{
    ChannelOrder, EngineError, Instructions, LoadOptions, Network, Normalisation, Pictures, Port, Precision,
    Tensor, Workspace,
};
use phiz_image::Image;
use phiz_net::card::{Card, Order};

use crate::FaceError;

/// A network, its model's name, and memory to compute in.
pub(crate) struct Loaded {
    name: String,
    network: Box<dyn Network>,
    /// As many as there were calls at once; each call borrows one.
    workspaces: Mutex<Vec<Workspace>>,
}

impl Loaded {
    /// Loads the network in `onnx`, which is fed as `card` says. `measured` are the precisions in which its accuracy is known
    /// to be that in f32, in the order of choice: [`Precision::Auto`] means the first that the processor gains from, by instructions whose
    /// speed is known, and f32 if there is none.
    pub(crate) fn new(
        card: &Card,
        onnx: &[u8],
        measured: &[(Precision, Instructions)],
        options: &LoadOptions,
    ) -> Result<Loaded, FaceError> {
        let order = match card.input.order {
            Order::Rgb => ChannelOrder::Rgb,
            Order::Bgr => ChannelOrder::Bgr,
        };
        let normalisation = Normalisation { mean: card.input.mean, std: card.input.std, order };
        let options = options.clone().normalisation(normalisation);
        let faster = measured.iter().filter(|_| options.precision == Precision::Auto);
        let mut faster = faster.map(|(precision, instructions)| {
            options.clone().precision(*precision).instructions(*instructions)
        });
        let network = faster
            .find_map(|options| match phiz_engine::load(onnx, &options) {
                // The processor, or the runtime that was asked for, has none.
                Err(EngineError::Unsupported { .. }) => None,
                loaded => Some(loaded),
            })
            .unwrap_or_else(|| phiz_engine::load(onnx, &options));
        let network = network.map_err(|source| FaceError::Network { model: card.name.clone(), source })?;
        Ok(Loaded { name: card.name.clone(), network, workspaces: Mutex::default() })
    }

    /// Runs the network on pictures of one size, and lets `read` take what is needed from its outputs.
    pub(crate) fn run<R>(
        &self,
        pictures: &[&Image],
        read: impl FnOnce(&[Tensor]) -> R,
    ) -> Result<R, FaceError> {
        let Some(first) = pictures.first() else {
            return Ok(read(&[]));
        };
        let (width, height) = (first.width() as usize, first.height() as usize);
        let bytes: Vec<&[u8]> = pictures.iter().map(|picture| picture.pixels()).collect();
        let mut workspace = self.stock().pop().unwrap_or_default();
        let result = self
            .network
            .run_into(Pictures::rgb(width, height, &bytes).into(), &mut workspace)
            .map(read)
            .map_err(|source| FaceError::Network { model: self.name.clone(), source });
        self.stock().push(workspace);
        result
    }

    fn stock(&self) -> std::sync::MutexGuard<'_, Vec<Workspace>> {
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn outputs(&self) -> &[Port] {
        self.network.outputs()
    }

    /// Checks that the network takes batches of three channels, and pictures of the size that its card says (0×0: of any
    /// size). Returns how many pictures it takes at once; none means any number.
    pub(crate) fn check_input(&self, width: u32, height: u32) -> Result<Option<usize>, FaceError> {
        let input = self.network.input();
        let [batch, channels, rows, columns] = match input.shape[..] {
            [] => [None; 4],
            [batch, channels, rows, columns] => [batch, channels, rows, columns],
            _ => return Err(self.unlike(format!("takes {} axes, not four", input.shape.len()))),
        };
        if channels.is_some_and(|channels| channels != 3) {
            return Err(self.unlike(format!("takes {} channels, not three", channels.unwrap_or(0))));
        }
        if batch.is_some_and(|batch| batch != 1) {
            return Err(self.unlike(format!("takes {} pictures at once, not one", batch.unwrap_or(0))));
        }
        let fits = |declared: Option<usize>, card: u32| declared.is_none_or(|size| size == card as usize);
        if !fits(rows, height) || !fits(columns, width) {
            let say = |size: Option<usize>| size.map_or("any".into(), |size| size.to_string());
            let card = if (width, height) == (0, 0) { "any".into() } else { format!("{width}×{height}") };
            let reason = format!("takes pictures of {}×{}, its card says {card}", say(columns), say(rows));
            return Err(FaceError::InputSize { model: self.name.clone(), reason });
        }
        Ok(batch)
    }

    /// The network is not what its card says.
    pub(crate) fn unlike(&self, reason: impl Into<String>) -> FaceError {
        FaceError::Decode { model: self.name.clone(), reason: reason.into() }
    }
}
