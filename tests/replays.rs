//! What a GPU has recorded, replayed. A program of its own: nothing else may be asked of the device meanwhile.

mod support;

use spanbench::models::Precision;
use spanbench::models::replays::{Keep, Outcome};
use spanbench::ops::FormChoice;
use support::device::device;
use support::golden::{ExpectedAnswers, Golden, checkpoints, largest_difference, load};
use support::{json, skipped};

/// Of the largest logit's magnitude: what another number of tokens may come to, for which a library may take
/// another algorithm.
const ROUNDING: f32 = 2e-5;

/// Small batches that a GPU has recorded are computed as those that it was asked for kernel by kernel.
#[test]
fn a_batch_that_was_recorded_has_the_logits_of_one_that_was_not() {
    if !device().is_cuda() {
        return skipped("only CUDA devices record what they are asked");
    }
    for folder in checkpoints() {
        let golden = Golden::read(&folder);
        let name = folder.file_name().unwrap().to_string_lossy();
        let model = load(&folder, Precision::F32, FormChoice::Auto).unwrap();
        // The two shortest windows, for an emulated GPU takes its time; the same in another order; and with a
        // token less.
        let recorded = golden.batch.part(&[0, 1]);
        let swapped = golden.batch.part(&[1, 0]);
        let mut shorter = recorded.clone();
        shorter.token_ids.pop();
        shorter.token_types.pop();
        shorter.boundaries[2] -= 1;
        let batches = [recorded, swapped, shorter];
        let expected = batches.each_ref().map(|batch| model.span_logits(batch));
        let prepared = model.prepare(&batches[..1], Keep::All).unwrap();
        let [prepared] = &prepared[..] else {
            panic!("{name}: {prepared:?}")
        };
        if let Outcome::Failed(fault) = &prepared.outcome {
            // The one checkpoint that has them.
            assert!(fault.contains("convolutions in groups"), "{name}: {fault}");
            continue;
        }
        let scale = json::<ExpectedAnswers>(&folder.join("expected.json")).logit_scale;
        // All are begun before the first is waited for.
        let begun = batches.each_ref().map(|batch| model.begin(batch).unwrap());
        for (pass, expected) in begun.into_iter().zip(expected) {
            let (pass, expected) = (pass.finish().unwrap(), expected.unwrap());
            let found = pass.logits;
            assert_eq!(found.start.len() + pass.filling, prepared.tokens, "{name}");
            let start = largest_difference(&found.start, &expected.start);
            let error = start.max(largest_difference(&found.end, &expected.end)) / scale;
            assert!(error <= ROUNDING, "{name}: {error:e}");
        }
    }
}
