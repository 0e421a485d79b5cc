//! RotatingKvCache: a ring with one length for the whole batch. The shape that a
//! request `new` names is unknown to it, since it takes that of the first chunk
//! after new and after reset, whichever it is. It has no crop.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use candle_nn::kv_cache::RotatingKvCache;

use crate::{signed, Cache, Judge, Keep, Refusal, Returned, ROWS};

pub struct Rotating {
    cache: RotatingKvCache,
    window: usize,
    judge: Judge,
    saved: HashMap<String, RotatingKvCache>,
}

impl Rotating {
    pub fn new(window: usize, judge: Judge) -> Self {
        Rotating {
            cache: RotatingKvCache::new(ROWS, window),
            window,
            judge,
            saved: HashMap::new(),
        }
    }

    /// The position of each row that the append of q tokens will return.
    fn positions(&self, q: usize) -> Vec<i64> {
        let n = self.cache.current_seq_len();
        // attn_mask has a mask of get_mask_rel for a chunk shorter than the
        // window: the rows are the ring. It is the formula of positions. For
        // other chunks it has one of get_mask_abs: the rows are the chunk. So it
        // is in append; but positions has the ring for a chunk as long as the
        // window too.
        if self.judge == Judge::Positions || q < self.window {
            signed(self.cache.positions(q))
        } else {
            signed(n..n + q)
        }
    }

    /// Which of the rows each query of the append of q tokens will see.
    fn visible(&self, q: usize, rows: usize) -> Result<Vec<Vec<bool>>, Refusal> {
        // No mask, for a single query: it sees every row.
        let Some(mask) = self.cache.attn_mask(q, &Device::Cpu)? else {
            return Ok(vec![vec![true; rows]; q]);
        };
        if mask.dims() != [q, rows] {
            return Err(format!("attn_mask({q}) is {:?}, for {rows} rows", mask.dims()).into());
        }
        let hidden = mask.to_vec2::<u8>()?; // 1 where a query must not look
        let shown = |query: Vec<u8>| query.into_iter().map(|h| h == 0).collect();
        Ok(hidden.into_iter().map(shown).collect())
    }
}

impl Cache for Rotating {
    fn append(
        &mut self,
        k: &Tensor,
        v: &Tensor,
        lens: Option<&[usize]>,
    ) -> Result<Returned, Refusal> {
        if lens.is_some() {
            return Err("RotatingKvCache has one length for the whole batch".into());
        }
        // Both must be asked before the append, and tell what it will return.
        let q = k.dim(ROWS)?;
        let positions = self.positions(q);
        let visible = if self.judge == Judge::Positions {
            Vec::new()
        } else {
            vec![self.visible(q, positions.len())?]
        };
        // If the append of the values fails, that of the keys has been made.
        let (keys, values) = self.cache.append(k, v)?;
        Ok(Returned {
            keys,
            values,
            positions: vec![positions],
            visible,
        })
    }

    fn reset(&mut self) {
        self.cache.reset();
    }

    fn crop(&mut self, _: Keep) -> Result<(), Refusal> {
        Err("RotatingKvCache has no crop".into())
    }

    fn snapshot(&mut self, id: &str) {
        self.saved.insert(id.into(), self.cache.clone());
    }

    fn restore(&mut self, id: &str) -> Result<(), Refusal> {
        self.cache = self.saved.get(id).ok_or("no such snapshot")?.clone();
        Ok(())
    }
}
