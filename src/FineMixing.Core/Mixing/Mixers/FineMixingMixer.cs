using System.Buffers;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing.Mixers;

/// <summary>Fine-mixing: a random mask keeps each weight of the suspect with the reserve ratio and resets the others to the base.</summary>
/// <remarks>w_Mix = w_Pre * (1 - m) + w_B * m with a random 0/1 mask m (<see cref="RandomMask"/>), done by selection, so that kept weights keep their bits.</remarks>
public sealed class FineMixingMixer : IWeightMixer
{
    /// <inheritdoc/>
    public string Name => "fine-mixing";

    /// <inheritdoc/>
    public string Title => "Fine-mixing";

    /// <inheritdoc/>
    public string Citation => Citations.FineMixing;

    /// <inheritdoc/>
    public MixerParameters Parameters { get; } = new();

    /// <inheritdoc/>
    public MixerInputs Inputs { get; } = new(UsesBase: true, 0, 0);

    /// <inheritdoc/>
    public bool NeedsWholeTensors => false;

    /// <inheritdoc/>
    public bool IsRatioExact => true;

    /// <inheritdoc/>
    public ITensorMixer Prepare(TensorMixContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return MaskFor(context.Tensor, context.Ratio, context.Options);
    }

    /// <summary>The random mask of a tensor under the options: which of its elements (or rows, or its module) stay.</summary>
    internal static ITensorMixer MaskFor(TensorInfo tensor, double ratio, MixingOptions options)
    {
        var (mask, group) = Mask(tensor, ratio, options);
        return new MaskTensorMixer(tensor, mask, group);
    }

    /// <summary>The mask of a tensor's groups and how many elements a group has: 1, a row, or all.</summary>
    internal static (RandomMask Mask, long Group) Mask(TensorInfo tensor, double ratio, MixingOptions options)
    {
        var rowLength = RowLength(tensor);
        return options.Granularity switch
        {
            MixGranularity.Element => (Mask(tensor.Name, tensor.ElementCount), 1),

            // Rows and modules are named after the module, so that a unit's weight row and bias share their fate.
            MixGranularity.Row => (Mask(TensorNames.ModuleOf(tensor.Name), rowLength == 0 ? 0 : tensor.ElementCount / rowLength), rowLength),
            _ => (RandomMask.Bernoulli(options.Seed, TensorNames.ModuleOf(tensor.Name), ratio), tensor.ElementCount),
        };

        RandomMask Mask(string name, long count) => options.ExactCount
            ? RandomMask.ExactCount(options.Seed, name, ratio, count)
            : RandomMask.Bernoulli(options.Seed, name, ratio);
    }

    private static long RowLength(TensorInfo tensor) => tensor.Shape.Length <= 1 || tensor.Shape[0] == 0 ? 1 : tensor.ElementCount / tensor.Shape[0];

    private sealed class MaskTensorMixer(TensorInfo tensor, RandomMask mask, long group) : IFiniteMixer
    {
        public long? CountKept() => group == 0 ? 0 : mask.CountKept(0, tensor.ElementCount / group) * group;

        public bool ChecksWhileMixing(MixInputs inputs) => group == 1 && inputs.Base.DType == tensor.DType && inputs.Base.Bytes.Length == inputs.Suspect.Bytes.Length;

        public bool MixFinite(long start, MixInputs inputs, Span<byte> destination)
        {
            var suspect = inputs.Suspect.Bytes.Span;
            var @base = inputs.Base.Bytes.Span;
            return mask.SelectFinite(start, tensor.DType, suspect, @base, destination, IsStreaming(suspect, @base, destination));
        }

        public void Mix(long start, MixInputs inputs, Span<byte> destination)
        {
            var size = tensor.DType.BitSize() / 8;
            var suspect = inputs.Suspect.Bytes.Span;
            var @base = SelectionMixer.BaseAs(tensor.DType, inputs.Base, out var rented);
            if (group == 1)
            {
                mask.Select(start, size, suspect, @base.Span, destination, IsStreaming(suspect, @base.Span, destination));
            }
            else
            {
                var count = destination.Length / size;
                for (var done = 0; done < count;)
                {
                    var row = (start + done) / group;
                    var length = (int)Math.Min(count - done, ((row + 1) * group) - (start + done));
                    (mask[row] ? suspect : @base.Span).Slice(done * size, length * size).CopyTo(destination[(done * size)..]);
                    done += length;
                }
            }

            if (rented is not null)
                ArrayPool<byte>.Shared.Return(rented);
        }

        // Streaming stores pay for outputs larger than the caches, and only where the output is not one of the sources.
        private bool IsStreaming(ReadOnlySpan<byte> suspect, ReadOnlySpan<byte> @base, Span<byte> destination) =>
            tensor.ByteLength >= 1 << 20 && !suspect.Overlaps(destination) && !@base.Overlaps(destination);
    }
}
