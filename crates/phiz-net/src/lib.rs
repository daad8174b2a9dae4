//! Our networks and their cards: architecture as data, ONNX in and out.
