//! Face recognition: find the faces, say whose they are. The facade library and the command line.
