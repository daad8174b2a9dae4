//! Runs a network: ONNX in, tensors out. Knows no face.
