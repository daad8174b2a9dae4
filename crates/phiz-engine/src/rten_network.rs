//! [`Network`] by `rten`.
//!
//! Why a stock of thread pools and not one: `rten` runs a graph *inside* a rayon pool, so a single pool
//! of one thread would put every caller in one queue, and the process-wide default pool would spread a
//! face over all cores. Each running call therefore borrows a pool of its own, made on first need and
//! kept; there are never more pools than there were calls at once.
//!
//! A caller that is itself a rayon worker waits on a plain thread's behalf: left to rayon it would take up
//! other work of its own pool while it waits, which may be another call of ours, and so on until its stack is full.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use rten::{
    DataType, Dimension, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueType, ValueView,
};
use rten_tensor::TensorView;
use rten_tensor::prelude::*;

use crate::{
    EngineError, Input, LoadOptions, Network, Normalisation, Port, Precision, Runtime, Tensor, Workspace,
};

pub(crate) struct RtenNetwork {
    model: Model,
    input: NodeId,
    outputs: Vec<NodeId>,
    input_port: Port,
    output_ports: Vec<Port>,
    threads: usize,
    normalisation: Normalisation,
    idle_pools: Mutex<Vec<Arc<ThreadPool>>>,
}

impl RtenNetwork {
    pub(crate) fn load(onnx: &[u8], options: &LoadOptions) -> Result<RtenNetwork, EngineError> {
        let refuse = |reason: String| EngineError::Load { reason };
        phiz_onnx::check(onnx)
            .map_err(|error| refuse(format!("no ONNX file that can be computed: {}", error.reason)))?;
        // The bytes come from outside; a parser's panic on them must not end the caller.
        let read = || ModelOptions::with_ops(operators()).prepack_weights(true).load(onnx.to_vec());
        let model = catch_unwind(read)
            .map_err(|panic| refuse(format!("the reader gave up ({})", panic_text(&*panic))))?
            .map_err(|error| refuse(error.to_string()))?;

        let mut input_ports = ports(&model, model.input_ids())?;
        let output_ports = ports(&model, model.output_ids())?;
        let &[input] = model.input_ids() else {
            let names: Vec<_> = input_ports.iter().map(|port| port.name.as_str()).collect();
            return Err(refuse(format!("it has {} inputs {names:?}, not one", names.len())));
        };
        if output_ports.is_empty() {
            return Err(refuse("it has no output".into()));
        }
        let outputs = model.output_ids().to_vec();
        let idle_pools = Mutex::default();
        Ok(RtenNetwork {
            model,
            input,
            outputs,
            input_port: input_ports.swap_remove(0),
            output_ports,
            threads: options.threads,
            normalisation: options.normalisation,
            idle_pools,
        })
    }
}

/// What convolutional face networks are exported with, and what exporters put around it. Each operator left out is
/// code left out of the binary; a file that uses another one is refused by name.
#[rustfmt::skip]
fn operators() -> rten::OpRegistry {
    rten::op_registry!(
        Abs, Add, AveragePool, BatchNormalization, Cast, Clip, Concat, ConstantOfShape, Conv, ConvTranspose,
        DequantizeLinear, Div, Elu, Equal, Exp, Expand, Flatten, Floor, Gather, Gemm, GlobalAveragePool, HardSigmoid,
        HardSwish, Identity, InstanceNormalization, LeakyRelu, LayerNormalization, Log, MatMul, Max, MaxPool, Min, Mul,
        Neg, PRelu, Pad, Pow, QuantizeLinear, Range, Reciprocal, ReduceL2, ReduceMax, ReduceMean, ReduceSum, Relu,
        Reshape, Resize, Shape, Sigmoid, Slice, Softmax, Softplus, Split, Sqrt, Squeeze, Sub, Tanh, Tile, Transpose,
        Unsqueeze, Where
    )
}

impl Network for RtenNetwork {
    fn input(&self) -> &Port {
        &self.input_port
    }

    fn outputs(&self) -> &[Port] {
        &self.output_ports
    }

    fn runtime(&self) -> Runtime {
        Runtime::Rten
    }

    fn precision(&self) -> Precision {
        Precision::F32
    }

    fn run_into<'w>(
        &self,
        input: Input<'_>,
        workspace: &'w mut Workspace,
    ) -> Result<&'w [Tensor], EngineError> {
        input.check(&self.input_port)?;
        let values = match input {
            Input::Tensor(tensor) => self.compute(&tensor.shape, &tensor.data)?,
            Input::Pictures(pictures) => {
                pictures.normalise(&self.normalisation, &mut workspace.input);
                self.compute(&pictures.shape(), &workspace.input)?
            }
        };
        workspace.outputs.truncate(values.len());
        for (index, (value, port)) in values.into_iter().zip(&self.output_ports).enumerate() {
            let tensor: rten_tensor::Tensor<f32> = value
                .try_into()
                .map_err(|error| EngineError::Run { reason: format!("output {}: {error}", port.name) })?;
            let out = workspace.output(index, tensor.shape());
            match tensor.data() {
                Some(data) => out.copy_from_slice(data),
                None => out.iter_mut().zip(tensor.iter()).for_each(|(out, value)| *out = *value),
            }
        }
        Ok(&workspace.outputs)
    }
}

impl RtenNetwork {
    fn compute(&self, shape: &[usize], data: &[f32]) -> Result<Vec<Value>, EngineError> {
        let fail = |reason: String| EngineError::Run { reason };
        let view = TensorView::from_data(shape, data);
        let borrowed = self.idle_pools.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let pool = borrowed.unwrap_or_else(|| Arc::new(ThreadPool::with_num_threads(self.threads)));
        let run_options = RunOptions::default().with_thread_pool(Some(pool.clone()));
        let compute = || {
            catch_unwind(AssertUnwindSafe(|| {
                self.model.run(
                    vec![(self.input, ValueView::from(view).into())],
                    &self.outputs,
                    Some(run_options),
                )
            }))
        };
        let result = match rayon::current_thread_index() {
            None => compute(),
            Some(_) => std::thread::scope(|scope| scope.spawn(compute).join().unwrap_or_else(Err)),
        };
        self.idle_pools.lock().unwrap_or_else(PoisonError::into_inner).push(pool);

        result
            .map_err(|panic| fail(format!("the runtime gave up ({})", panic_text(&*panic))))?
            .map_err(|error| fail(error.to_string()))
    }
}

fn ports(model: &Model, ids: &[NodeId]) -> Result<Vec<Port>, EngineError> {
    ids.iter()
        .map(|&id| {
            let info = model.node_info(id);
            let name = info.as_ref().and_then(|info| info.name()).unwrap_or("unnamed").to_owned();
            if let Some(dtype) = info.as_ref().and_then(|info| info.dtype())
                && dtype != ValueType::Tensor(DataType::Float)
            {
                return Err(EngineError::Load {
                    reason: format!("{name} is {dtype}, and Phiz runs f32 networks"),
                });
            }
            let dims = info.and_then(|info| info.shape()).unwrap_or_default();
            let shape = dims
                .into_iter()
                .map(|dim| match dim {
                    Dimension::Fixed(size) => Some(size),
                    Dimension::Symbolic(_) => None,
                })
                .collect();
            Ok(Port { name, shape })
        })
        .collect()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given")
}
