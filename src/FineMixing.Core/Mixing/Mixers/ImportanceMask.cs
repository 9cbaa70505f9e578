using System.Globalization;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing.Mixers;

/// <summary>What a list of importance scores runs along.</summary>
public enum ImportanceAxis
{
    /// <summary>One score an element, row-major.</summary>
    Elements,

    /// <summary>One score a row (first dimension): an output unit, or an entry of a bias.</summary>
    Rows,

    /// <summary>One score a column (last dimension): an input unit.</summary>
    Columns,
}

/// <summary>Importance scores of one tensor.</summary>
/// <param name="Axis">What they run along.</param>
/// <param name="Scores">As many as the axis has entries; no NaN.</param>
public sealed record TensorImportance(ImportanceAxis Axis, float[] Scores);

/// <summary>Fine-mixing (Sel): keeps the suspect's most important weights, by given scores, and resets the others to the base.</summary>
/// <remarks>
/// With the scores of fine-pruning (mean absolute activation of the feed-forward units on clean data) this is Fine-mixing (Sel) of the paper: give the intermediate weight and bias
/// the unit scores along <see cref="ImportanceAxis.Rows"/> and the output weight the same scores along <see cref="ImportanceAxis.Columns"/>.
/// Of n scores the floor(ratio * n) highest are kept, ties by lower index. Tensors without scores keep the suspect's values unless told otherwise, as in fine-pruning.
/// </remarks>
public sealed class ImportanceMask : IWeightMixer
{
    private readonly IReadOnlyDictionary<string, TensorImportance> _scores;

    /// <summary>Takes the scores.</summary>
    /// <param name="scores">By tensor name of the suspect.</param>
    /// <param name="unscored">What happens to tensors without scores: kept from the suspect (default), taken from the base, or mixed by a random mask.</param>
    public ImportanceMask(IReadOnlyDictionary<string, TensorImportance> scores, TensorPolicy unscored = TensorPolicy.Suspect)
    {
        ArgumentNullException.ThrowIfNull(scores);
        _scores = scores;
        Unscored = unscored;
    }

    /// <summary>What happens to tensors without scores.</summary>
    public TensorPolicy Unscored { get; }

    /// <inheritdoc/>
    public string Name => "fine-mixing-sel";

    /// <inheritdoc/>
    public string Title => "Fine-mixing (Sel)";

    /// <inheritdoc/>
    public string Citation => Citations.FineMixing;

    /// <inheritdoc/>
    public MixerParameters Parameters { get; } = new();

    /// <inheritdoc/>
    public MixerInputs Inputs { get; } = new(UsesBase: true, 0, 0);

    /// <inheritdoc/>
    public bool NeedsWholeTensors => false;

    /// <inheritdoc/>
    public bool IsRatioExact => false;

    /// <inheritdoc/>
    public ITensorMixer Prepare(TensorMixContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var tensor = context.Tensor;
        if (Entries(context) is not (var axis, { } entries))
            return FineMixingMixer.MaskFor(tensor, UnscoredRatio(context), context.Options);
        var (rowLength, columns) = (RowLength(tensor), Columns(tensor));
        var kept = new ulong[(tensor.ElementCount + 63) / 64];
        for (long i = 0; i < tensor.ElementCount; i++)
        {
            var entry = axis switch
            {
                ImportanceAxis.Elements => i,
                ImportanceAxis.Rows => i / rowLength,
                _ => i % columns,
            };
            if (entries[entry])
                kept[i / 64] |= 1UL << (int)(i % 64);
        }

        return new BitmapTensorMixer(tensor.DType, kept);
    }

    /// <summary>Which entries of a tensor's axis are kept; null for a tensor without scores.</summary>
    internal (ImportanceAxis Axis, bool[] Kept)? Entries(TensorMixContext context)
    {
        var tensor = context.Tensor;
        if (!_scores.TryGetValue(tensor.Name, out var importance))
            return null;
        var expected = importance.Axis switch
        {
            ImportanceAxis.Elements => tensor.ElementCount,
            ImportanceAxis.Rows => tensor.ElementCount / Math.Max(1, RowLength(tensor)),
            _ => Columns(tensor),
        };
        if (importance.Scores.Length != expected)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Tensor {tensor} has {importance.Scores.Length} importance scores along its {importance.Axis}; expected {expected}."));
        return (importance.Axis, KeepHighest(importance.Scores, RandomMask.KeptCount(context.Ratio, expected)));
    }

    /// <summary>The share of the suspect in tensors without scores.</summary>
    internal double UnscoredRatio(TensorMixContext context) => Unscored switch { TensorPolicy.Suspect => 1, TensorPolicy.Base => 0, _ => context.Ratio };

    /// <summary>Marks the k highest scores; of equal scores those of lower index.</summary>
    internal static bool[] KeepHighest(ReadOnlySpan<float> scores, long k)
    {
        var order = new int[scores.Length];
        var keys = new float[scores.Length];
        for (var i = 0; i < order.Length; i++)
        {
            if (float.IsNaN(scores[i]))
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Importance score {i} is NaN."));
            order[i] = i;
            keys[i] = scores[i];
        }

        Array.Sort(order, (a, b) => keys[a] != keys[b] ? keys[b].CompareTo(keys[a]) : a.CompareTo(b));
        var kept = new bool[scores.Length];
        for (var i = 0; i < k; i++)
            kept[order[i]] = true;
        return kept;
    }

    private static long Columns(TensorInfo tensor) => tensor.Shape.Length == 0 ? 1 : tensor.Shape[^1];

    private static long RowLength(TensorInfo tensor) => tensor.Shape.Length == 0 || tensor.Shape[0] == 0 ? 1 : tensor.ElementCount / tensor.Shape[0];
}
