//! ScatteredKvCache returns a chunk of as many tokens as the window or more, but
//! does not store it: the decode after it attends to rows of zeros.
//!
//!     cargo run --example scattered_whole_window

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::kv_cache::ScatteredCacheBuilder;

fn main() -> Result<()> {
    let device = Device::Cpu;
    for prompt in [1, 2, 3] {
        let mut builder = ScatteredCacheBuilder::new(1, 2, DType::F32, &device)?;
        let mut cache = builder.make_cache(1, 1)?;
        let tokens: Vec<f32> = (1..=prompt).map(|t| t as f32).collect();
        let chunk = Tensor::from_vec(tokens, (1, 1, prompt, 1), &device)?;
        let step = builder.indices_and_mask(prompt, &[true])?;
        cache.append(&chunk, &chunk, &step)?;
        let token = Tensor::full((prompt + 1) as f32, (1, 1, 1, 1), &device)?;
        let step = builder.indices_and_mask(1, &[true])?;
        let (keys, _) = cache.append(&token, &token, &step)?;
        println!(
            "window 2, tokens 1 to {prompt} at once, then token {}: keys {:?}, mask {:?}",
            prompt + 1,
            keys.flatten_all()?.to_vec1::<f32>()?,
            step.mask().flatten_all()?.to_vec1::<f32>()?,
        );
    }
    Ok(())
}
