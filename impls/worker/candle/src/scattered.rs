//! ScatteredKvCache with its ScatteredCacheBuilder: a ring in which each entry of
//! the batch has a length of its own. The builder gives the indices to write at
//! and the mask, for a chunk of which an entry takes all tokens or none.
//!
//! A chunk of another number of tokens in each entry is appended from left to
//! right, a piece wherever the entries that take part change. What all pieces
//! returned is returned; a row that an earlier piece returned for the same position
//! with the same bits is that row, for the queries that see it.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::kv_cache::{ScatteredCacheBuilder, ScatteredKvCache};

use crate::{array, signed, Cache, Keep, Refusal, Returned, Visible, ROWS};

#[derive(Clone)]
struct State {
    cache: ScatteredKvCache,
    builder: ScatteredCacheBuilder,
}

pub struct Scattered {
    state: State,
    window: usize,
    saved: HashMap<String, State>,
}

/// The shape that the caches are made for.
pub struct Shape {
    pub batch: usize,
    pub heads: usize,
    pub window: usize,
    pub dim: usize,
    pub dtype: DType,
}

impl Scattered {
    pub fn new(s: &Shape) -> Result<Self, Refusal> {
        let builder = ScatteredCacheBuilder::new(s.batch, s.window, s.dtype, &Device::Cpu)?;
        let cache = builder.make_cache(s.heads, s.dim)?;
        Ok(Scattered {
            state: State { cache, builder },
            window: s.window,
            saved: HashMap::new(),
        })
    }

    /// Appends a chunk of which the entries in active take all tokens.
    fn piece(&mut self, k: &Tensor, v: &Tensor, active: &[bool]) -> Result<Returned, Refusal> {
        let State { cache, builder } = &mut self.state;
        let q = k.dim(ROWS)?;
        let before = builder.positions().to_vec();
        let made = builder.indices_and_mask(q, active)?;
        let after = builder.positions();
        let (keys, values) = cache.append(k, v, &made)?;
        let rows = keys.dim(ROWS)?;
        let positions = (active.iter().enumerate())
            .map(|(e, &on)| match on {
                false => vec![-1; rows],
                // append returns the chunk itself.
                true if self.window <= q => signed(before[e]..before[e] + rows),
                // Or the ring: the builder's index of a token is its position
                // modulo the window.
                true => (0..rows)
                    .map(|r| {
                        let newest = (after[e] + rows - 1 - r) / rows; // tokens in row r
                        (newest * rows + r) as i64 - rows as i64
                    })
                    .map(|p| p.max(-1))
                    .collect(),
            })
            .collect();
        Ok(Returned {
            visible: visible(made.mask(), rows)?,
            keys,
            values,
            positions,
        })
    }
}

/// A mask, of [batch, 1, q, rows] or [q, rows], that is added to scores.
fn visible(mask: &Tensor, rows: usize) -> Result<Visible, Refusal> {
    let mask = match mask.rank() {
        4 => mask.squeeze(1)?,
        _ => mask.unsqueeze(0)?,
    };
    if mask.dim(2)? != rows {
        return Err(format!("a mask of {:?}, for {rows} rows", mask.dims()).into());
    }
    let scores = mask.to_dtype(DType::F32)?.to_vec3::<f32>()?;
    let shown = |query: Vec<f32>| query.into_iter().map(|x| x != f32::NEG_INFINITY).collect();
    Ok((scores.into_iter())
        .map(|entry| entry.into_iter().map(shown).collect())
        .collect())
}

/// The rows of [batch, heads, rows, dim] as bytes: [batch][rows], all heads.
fn bits(t: &Tensor) -> Result<Vec<Vec<Vec<u8>>>, Refusal> {
    let (batch, _, rows, _) = t.dims4()?;
    let mut all = Vec::new();
    for e in 0..batch {
        let mut entry = Vec::new();
        for r in 0..rows {
            entry.push(array(&t.narrow(0, e, 1)?.narrow(ROWS, r, 1)?)?.data);
        }
        all.push(entry);
    }
    Ok(all)
}

/// Puts what the pieces of a chunk of q tokens returned together: each with the
/// entries that took part and where in the chunk it begins.
fn join(pieces: Vec<(Vec<bool>, usize, Returned)>, q: usize) -> Result<Returned, Refusal> {
    let dims: Vec<usize> = (pieces.iter()).map(|p| p.2.positions[0].len()).collect();
    let rows = dims.iter().sum();
    let batch = pieces[0].0.len();
    let mut positions: Vec<Vec<i64>> = vec![Vec::new(); batch];
    let mut seen = vec![vec![vec![false; rows]; q]; batch];
    let mut held: Vec<Vec<[Vec<u8>; 2]>> = vec![Vec::new(); batch];
    for (active, from, piece) in &pieces {
        let (k, v) = (bits(&piece.keys)?, bits(&piece.values)?);
        for e in 0..batch {
            let first = held[e].len();
            let mask = &piece.visible[if piece.visible.len() == 1 { 0 } else { e }];
            for (r, &p) in piece.positions[e].iter().enumerate() {
                let row = [k[e][r].clone(), v[e][r].clone()];
                let same = |i: &usize| p >= 0 && positions[e][*i] == p && held[e][*i] == row;
                let earlier = (0..first).find(same);
                let at = earlier.unwrap_or(first + r);
                if active[e] {
                    for (i, query) in mask.iter().enumerate() {
                        seen[e][from + i][at] |= query[r];
                    }
                }
                positions[e].push(if earlier.is_some() { -1 } else { p });
                held[e].push(row);
            }
        }
    }
    let keys: Vec<&Tensor> = pieces.iter().map(|p| &p.2.keys).collect();
    let values: Vec<&Tensor> = pieces.iter().map(|p| &p.2.values).collect();
    Ok(Returned {
        keys: Tensor::cat(&keys, ROWS)?,
        values: Tensor::cat(&values, ROWS)?,
        positions,
        visible: seen,
    })
}

impl Cache for Scattered {
    fn append(
        &mut self,
        k: &Tensor,
        v: &Tensor,
        lens: Option<&[usize]>,
    ) -> Result<Returned, Refusal> {
        let q = k.dim(ROWS)?;
        let Some(lens) = lens.filter(|lens| lens.iter().any(|&n| n != q)) else {
            let all = vec![true; self.state.builder.batch_size()];
            return self.piece(k, v, &all);
        };
        let batch = self.state.builder.batch_size();
        if lens.len() != batch {
            return Err(format!("{} lengths for a batch of {batch}", lens.len()).into());
        }
        let mut starts: Vec<usize> = lens.iter().map(|n| q - n).filter(|&at| at < q).collect();
        starts.sort();
        starts.dedup();
        let mut pieces = Vec::new();
        for (i, &from) in starts.iter().enumerate() {
            let to = starts.get(i + 1).copied().unwrap_or(q);
            let active: Vec<bool> = lens.iter().map(|n| q - n <= from).collect();
            let (k, v) = (
                k.narrow(ROWS, from, to - from)?,
                v.narrow(ROWS, from, to - from)?,
            );
            // The ring goes on to the next piece: its rows now.
            let mut got = self.piece(&k.contiguous()?, &v.contiguous()?, &active)?;
            (got.keys, got.values) = (got.keys.copy()?, got.values.copy()?);
            pieces.push((active, from, got));
        }
        join(pieces, q)
    }

    fn reset(&mut self) {
        self.state.builder.reset();
    }

    fn crop(&mut self, keep: Keep) -> Result<(), Refusal> {
        let builder = &mut self.state.builder;
        let batch = builder.batch_size();
        let lengths = match keep {
            Keep::All(n) => vec![n; batch],
            Keep::Each(all) if all.len() == batch => all,
            Keep::Each(all) => {
                return Err(format!("{} lengths for a batch of {batch}", all.len()).into())
            }
        };
        for (&keep, &n) in lengths.iter().zip(builder.positions()) {
            if keep > 0 && keep < n {
                return Err("ScatteredCacheBuilder has no crop but reset_batch_index".into());
            }
        }
        for (e, &keep) in lengths.iter().enumerate() {
            if keep == 0 {
                builder.reset_batch_index(e);
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, id: &str) {
        self.saved.insert(id.into(), self.state.clone());
    }

    fn restore(&mut self, id: &str) -> Result<(), Refusal> {
        self.state = self.saved.get(id).ok_or("no such snapshot")?.clone();
        Ok(())
    }
}
