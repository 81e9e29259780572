mod names;
mod receiving;
