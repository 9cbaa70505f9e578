using System.Numerics.Tensors;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing.Mixers;

/// <summary>Selection by the size of the change |w_B - w_Pre|: keeps, per tensor, the smallest or the largest changes and resets the others to the base.</summary>
/// <remarks>Exactly floor(ratio * count) elements are kept; changes of equal size by lower index.</remarks>
public sealed class ChangeSizeMixer : IWeightMixer
{
    private readonly bool _largest;

    /// <summary>Chooses the direction.</summary>
    /// <param name="keepLargest">Keep the largest changes; otherwise the smallest.</param>
    public ChangeSizeMixer(bool keepLargest) => _largest = keepLargest;

    internal bool KeepsLargest => _largest;

    /// <inheritdoc/>
    public string Name => _largest ? "fine-mixing-largest" : "fine-mixing-smallest";

    /// <inheritdoc/>
    public string Title => _largest ? "Fine-mixing (Sel, largest changes)" : "Fine-mixing (Sel, smallest changes)";

    /// <inheritdoc/>
    public string Citation => Citations.FineMixing;

    /// <inheritdoc/>
    public MixerParameters Parameters { get; } = new();

    /// <inheritdoc/>
    public MixerInputs Inputs { get; } = new(UsesBase: true, 0, 0);

    /// <inheritdoc/>
    public bool NeedsWholeTensors => true;

    /// <inheritdoc/>
    public bool IsRatioExact => true;

    /// <inheritdoc/>
    public ITensorMixer Prepare(TensorMixContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return new TensorMixer(context, _largest);
    }

    private sealed class TensorMixer(TensorMixContext context, bool largest) : ITensorMixer
    {
        public long? CountKept() => RandomMask.KeptCount(context.Ratio, context.Tensor.ElementCount);

        public void Mix(long start, MixInputs inputs, Span<byte> destination)
        {
            var count = checked((int)context.Tensor.ElementCount);
            var taken = new List<float[]>();
            var (suspect, @base) = (new SingleValues(inputs.Suspect, n => Take(n)), new SingleValues(inputs.Base, n => Take(n)));
            var change = Take(count);
            TensorPrimitives.Subtract(suspect.Span, @base.Span, change);
            var kept = OrderStatistics.Select(change, RandomMask.KeptCount(context.Ratio, count), largest);
            taken.ForEach(context.Scratch.Return);
            new BitmapTensorMixer(context.Tensor.DType, kept).Mix(0, inputs, destination);

            float[] Take(int length)
            {
                taken.Add(context.Scratch.Take(length));
                return taken[^1];
            }
        }
    }
}
