using FineMixing.Mixing;
using FineMixing.Mixing.Mixers;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.Mixing;

/// <summary>Methods that keep some of the suspect's values and take the others from the base, and the choice of the largest values.</summary>
internal static class DeviceSelection
{
    public static Tensor Random(TensorMixContext context, double ratio, DeviceInputs inputs)
    {
        var (tensor, options) = (context.Tensor, context.Options);
        if (options.Granularity == MixGranularity.Element && !options.ExactCount)
            return DeviceMask.Mix(inputs.Suspect, DeviceInputs.As(inputs.Base!, inputs.Suspect.dtype), tensor.Name, ratio, options.Seed);
        var (mask, group) = FineMixingMixer.Mask(tensor, ratio, options);
        var kept = new bool[tensor.ElementCount / group];
        mask.Fill(0, kept);
        return Select(kept, inputs, [-1, group], [-1, 1]);
    }

    public static Tensor Important(ImportanceMask mixer, TensorMixContext context, DeviceInputs inputs)
    {
        if (mixer.Entries(context) is not (var axis, { } kept))
            return Random(context, mixer.UnscoredRatio(context), inputs);
        return axis switch
        {
            ImportanceAxis.Elements => Select(kept, inputs, [-1], [-1]),
            ImportanceAxis.Rows => Select(kept, inputs, [kept.Length, -1], [-1, 1]),
            _ => Select(kept, inputs, [-1, kept.Length], [1, -1]),
        };
    }

    public static Tensor BySize(ChangeSizeMixer mixer, TensorMixContext context, DeviceInputs inputs)
    {
        var kept = Extreme(inputs.Change(0).abs(), RandomMask.KeptCount(context.Ratio, context.Tensor.ElementCount), mixer.KeepsLargest);
        return where(kept, inputs.Suspect, DeviceInputs.As(inputs.Base!, inputs.Suspect.dtype));
    }

    /// <summary>True for the k largest or smallest values; of equal values those of lower index.</summary>
    public static Tensor Extreme(Tensor values, long k, bool largest)
    {
        var count = values.NumberOfElements;
        if (k <= 0 || k >= count)
            return full([count], k > 0, dtype: ScalarType.Bool, device: values.device);
        var (bound, _) = values.kthvalue(largest ? count - k + 1 : k, 0);
        var beyond = largest ? values.gt(bound) : values.lt(bound);
        var equal = values.eq(bound);
        return beyond.logical_or(equal.logical_and(equal.cumsum(0).le(k - beyond.sum())));
    }

    private static Tensor Select(bool[] kept, DeviceInputs inputs, long[] shape, long[] maskShape) =>
        where(tensor(kept, device: inputs.Suspect.device).view(maskShape), inputs.Suspect.view(shape), DeviceInputs.As(inputs.Base!, inputs.Suspect.dtype).view(shape)).reshape(-1);
}
