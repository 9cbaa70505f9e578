using FineMixing.Mixing;
using FineMixing.Mixing.Mixers;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Mixing;

/// <summary>Methods that thin out the changes of models and merge what is left.</summary>
internal static class DeviceTaskVectors
{
    public static Tensor Ties(TiesMixer mixer, TensorMixContext context, DeviceInputs inputs)
    {
        var merge = mixer.Merge(context);
        return Merge(inputs, [.. inputs.Changes().Select((c, m) => Trim(c, RandomMask.KeptCount(merge.Densities[m], c.NumberOfElements), 0))], merge);
    }

    public static Tensor Dare(DareMixer mixer, TensorMixContext context, DeviceInputs inputs)
    {
        var merge = mixer.Merge(context);
        return Merge(inputs, [.. inputs.Changes().Select(Thin)], merge);

        Tensor Thin(Tensor change, int model)
        {
            var kept = DeviceMask.Kept(context.Options.Seed, DareMixer.MaskName(context.Tensor.Name, model), merge.Densities[model], 0, change.NumberOfElements, change.device);
            return where(kept, change * (float)(1 / merge.Densities[model]), zeros_like(change));
        }
    }

    public static Tensor Breadcrumbs(BreadcrumbsMixer mixer, TensorMixContext context, DeviceInputs inputs)
    {
        var merge = mixer.Merge(context);
        var gammas = mixer.Gammas(context);
        return Merge(inputs, [.. inputs.Changes().Select((c, m) =>
        {
            var (keep, drop) = BreadcrumbsMixer.Counts(c.NumberOfElements, merge.Densities[m], gammas[m]);
            return Trim(c, keep, drop);
        })], merge);
    }

    public static Tensor Sce(SceMixer mixer, TensorMixContext context, DeviceInputs inputs)
    {
        var changes = inputs.Changes();
        if (mixer.TopK(context) is < 1 and var topK)
        {
            var variances = stack(changes).to(float64).var(0, unbiased: false).to(float32);
            var selected = DeviceSelection.Extreme(variances, RandomMask.KeptCount(topK, variances.ne(0).sum().item<long>()), largest: true);
            changes = Array.ConvertAll(changes, c => where(selected, c, zeros_like(c)));
        }

        var weights = SceMixer.Weights(Array.ConvertAll(changes, c => c.to(float64).square().mean().item<double>()));
        var positive = changes.Aggregate((x, y) => x + y).ge(0);
        var (sum, divisor) = (zeros_like(changes[0], dtype: float64), zeros_like(changes[0], dtype: float64));
        for (var m = 0; m < changes.Length; m++)
        {
            var agrees = Agrees(changes[m], positive).to(float64);
            sum += agrees * changes[m] * weights[m];
            divisor += agrees * weights[m];
        }

        return inputs.BaseValues + (sum / divisor.clamp_min(1e-6)).to(float32);
    }

    private static Tensor Trim(Tensor change, long keep, long drop)
    {
        var sizes = change.abs();
        var kept = DeviceSelection.Extreme(sizes, keep + drop, largest: true);
        if (drop > 0)
            kept = kept.logical_and(DeviceSelection.Extreme(sizes, drop, largest: true).logical_not());
        return where(kept, change, zeros_like(change));
    }

    private static Tensor Merge(DeviceInputs inputs, Tensor[] changes, TaskVectorMerge merge)
    {
        Tensor[] terms = [.. changes.Select((c, m) => c * (float)merge.Weights[m])];
        var sum = terms.Aggregate((x, y) => x + y);
        var divisor = full_like(sum, merge.Weights.Sum(w => (float)w));
        if (merge.Elect)
        {
            Tensor[] agree = [.. terms.Select(t => Agrees(t, sum.ge(0)).to(float32))];
            sum = terms.Zip(agree, (t, a) => t * a).Aggregate((x, y) => x + y);
            divisor = agree.Select((a, m) => a * (float)merge.Weights[m]).Aggregate((x, y) => x + y);
        }

        if (merge.Normalize)
            sum = where(divisor.abs().ge(1e-8f), sum / divisor, sum);
        return inputs.BaseValues + (sum * (float)merge.Scale);
    }

    // A change of 0 takes no side.
    private static Tensor Agrees(Tensor change, Tensor positive) => change.ne(0).logical_and(change.gt(0).eq(positive));
}
