//! Running a generator in its sandbox and taking its files.
