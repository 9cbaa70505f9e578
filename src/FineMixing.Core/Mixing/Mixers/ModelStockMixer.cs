using System.Numerics.Tensors;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing.Mixers;

/// <summary>Model stock: moves the average of several fine-tuned models towards the base by as much as their changes disagree.</summary>
/// <remarks>
/// With N models and the mean cosine c of the angles between their changes: t = N c / (1 + (N - 1) c), at least -1; result t * mean(w_i) + (1 - t) * w_Pre, per tensor
/// (per row with <see cref="MixerParameters.RowWise"/>). A cosine divides by a product of lengths of at least 1e-6. Needs two or more models besides the base.
/// </remarks>
public sealed class ModelStockMixer : ArithmeticMixer
{
    /// <summary>Takes <see cref="MixerParameters.RowWise"/>.</summary>
    public ModelStockMixer(MixerParameters? parameters = null)
        : base("model-stock", "Model stock", Citations.ModelStock, parameters)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: true, 1, 100);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    /// <inheritdoc/>
    public override bool UsesReserveRatio => false;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var length = (int)VectorLength(context.Tensor);
        return (_, inputs, result) =>
        {
            var changes = Enumerable.Range(0, inputs.ModelCount).Select(inputs.Change).ToArray();
            for (var start = 0; start < result.Length; start += length)
                Combine(inputs.Base.Span, changes, start, length, result);
        };
    }

    /// <summary>How many elements are one vector.</summary>
    internal long VectorLength(TensorInfo tensor) => Parameters.RowWise == true && tensor.Shape.Length > 1 ? tensor.Shape[^1] : tensor.ElementCount;

    internal const double LeastRatio = -1;

    private static void Combine(ReadOnlySpan<float> @base, float[][] changes, int start, int length, Span<float> result)
    {
        var n = changes.Length;
        var squares = Array.ConvertAll(changes, c => VectorMath.SumOfSquares(c.AsSpan(start, length)));
        double cosines = 0;
        for (var i = 0; i < n; i++)
        {
            for (var j = i + 1; j < n; j++)
                cosines += Math.Clamp(VectorMath.Dot(changes[i].AsSpan(start, length), changes[j].AsSpan(start, length)) / Math.Max(Math.Sqrt(squares[i] * squares[j]), 1e-6), -1, 1);
        }

        var cosine = cosines / (n * (n - 1) / 2);

        // Towards cosine -1 / (N - 1), where the changes cancel, the formula has no bound.
        var rest = 1 + ((n - 1) * cosine);
        var t = rest > 0 ? Math.Max(LeastRatio, n * cosine / rest) : LeastRatio;
        var part = result.Slice(start, length);
        @base.Slice(start, length).CopyTo(part);
        foreach (var change in changes)
            TensorPrimitives.MultiplyAdd(change.AsSpan(start, length), (float)(t / n), part, part);
    }
}
