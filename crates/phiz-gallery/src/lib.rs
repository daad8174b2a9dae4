//! People and templates: store, index, decisions, sealing. Decodes no picture.
