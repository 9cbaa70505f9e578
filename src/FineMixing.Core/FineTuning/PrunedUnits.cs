using System.Collections.Immutable;
using System.Globalization;
using FineMixing.Checkpoints;

namespace FineMixing.FineTuning;

/// <summary>Feed-forward units that are pruned or replaced, per layer: those that are dormant on clean data, or those that a trigger excites.</summary>
/// <remarks>Fine-pruning (Liu et al. 2018, arXiv 1805.12185), carried over to transformers: the units of a layer are ranked by mean absolute activation.</remarks>
/// <param name="PerLayer">Unit indices of each layer, ascending.</param>
public sealed record PrunedUnits(ImmutableArray<ImmutableArray<int>> PerLayer)
{
    /// <summary>Chooses the least active units.</summary>
    /// <param name="activations">Mean absolute activation of each unit, per layer.</param>
    /// <param name="reserveRatio">Share of the units of each layer that is kept, 0 to 1; floor(ratio * units) are kept.</param>
    public static PrunedUnits Dormant(IReadOnlyList<double[]> activations, double reserveRatio)
    {
        ArgumentNullException.ThrowIfNull(activations);
        if (!(reserveRatio is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(reserveRatio), reserveRatio, "The reserve ratio is a number from 0 to 1.");
        return new PrunedUnits([.. activations.Select(layer =>
        {
            var kept = (int)Math.Floor(reserveRatio * layer.Length);
            return Enumerable.Range(0, layer.Length).OrderBy(i => layer[i]).ThenBy(i => i).Take(layer.Length - kept).Order().ToImmutableArray();
        })]);
    }

    /// <summary>Chooses the units that something in the texts excites most.</summary>
    /// <param name="with">Mean absolute activation of each unit on texts with it, per layer.</param>
    /// <param name="without">The same on texts without it.</param>
    /// <param name="share">Share of the units of each layer that is chosen, 0 to 1; floor(share * units) are.</param>
    /// <exception cref="ArgumentException">The two are not of the same model.</exception>
    public static PrunedUnits Excited(IReadOnlyList<double[]> with, IReadOnlyList<double[]> without, double share)
    {
        ArgumentNullException.ThrowIfNull(with);
        ArgumentNullException.ThrowIfNull(without);
        if (!(share is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(share), share, "The share is a number from 0 to 1.");
        if (!with.Select(l => l.Length).SequenceEqual(without.Select(l => l.Length)))
            throw new ArgumentException("Expected as many layers and units without as with it.", nameof(without));
        return new PrunedUnits([.. with.Zip(without, (on, off) =>
            Enumerable.Range(0, on.Length).OrderByDescending(i => on[i] - off[i]).ThenBy(i => i).Take((int)Math.Floor(share * on.Length)).Order().ToImmutableArray())]);
    }

    /// <summary>A copy of the weights in which the input row, bias and output column of every pruned unit come from another model, or are zero.</summary>
    /// <param name="weights">Weights under canonical names.</param>
    /// <param name="replacement">Where the pruned units' weights come from (Fine-mixing (Sel)); null for zero (fine-pruning).</param>
    /// <exception cref="ArgumentException">The weights have no such layers or units.</exception>
    public StateDict Apply(StateDict weights, StateDict? replacement)
    {
        ArgumentNullException.ThrowIfNull(weights);
        var layers = 0;
        while (weights.TryGetTensor(string.Create(CultureInfo.InvariantCulture, $"bert.encoder.layer.{layers}.intermediate.dense.bias"), out _))
            layers++;
        Check(layers, layers == 0 ? 0 : (int)weights["bert.encoder.layer.0.intermediate.dense.bias"].Info.ElementCount);
        var result = weights.Clone();
        for (var layer = 0; layer < PerLayer.Length; layer++)
        {
            var prefix = string.Create(CultureInfo.InvariantCulture, $"bert.encoder.layer.{layer}.");
            Replace(result, replacement, prefix + "intermediate.dense.weight", PerLayer[layer], rows: true);
            Replace(result, replacement, prefix + "intermediate.dense.bias", PerLayer[layer], rows: true);
            Replace(result, replacement, prefix + "output.dense.weight", PerLayer[layer], rows: false);
        }

        return result;
    }

    /// <summary>Refuses units that a model does not have.</summary>
    /// <param name="layers">The model's encoder layers.</param>
    /// <param name="units">The feed-forward units of each.</param>
    /// <exception cref="ArgumentException">There are more layers or units here; all problems are listed.</exception>
    internal void Check(int layers, int units)
    {
        var problems = new List<string>();
        if (PerLayer.IsDefault || PerLayer.Any(l => l.IsDefault))
            problems.Add("a layer's units are not set; expected an array, empty where none is pruned");
        else
        {
            if (PerLayer.Length > layers)
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"there are units of {PerLayer.Length} layers; the model has {layers}"));
            foreach (var (layer, unit) in PerLayer.SelectMany((l, i) => l.Where(u => u < 0 || u >= units).Take(1).Select(u => (i, u))))
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"unit {unit} of layer {layer} is outside 0..{units - 1}"));
        }

        if (problems.Count > 0)
            throw new ArgumentException($"Pruned units do not fit the model: {string.Join("; ", problems)}.");
    }

    private static void Replace(StateDict weights, StateDict? replacement, string name, ImmutableArray<int> units, bool rows)
    {
        var target = weights[name];
        var source = replacement?[name].ConvertTo(target.Info.DType).Bytes;
        var size = target.Info.DType.BitSize() / 8;
        var columns = target.Info.Shape.Length == 1 ? 1 : (int)target.Info.Shape[1];
        var height = (int)target.Info.Shape[0];
        foreach (var unit in units)
        {
            for (var i = 0; i < (rows ? 1 : height); i++)
            {
                var (at, length) = rows ? (unit * columns * size, columns * size) : (((i * columns) + unit) * size, size);
                var destination = target.Bytes.AsSpan(at, length);
                if (source is null)
                    destination.Clear();
                else
                    source.AsSpan(at, length).CopyTo(destination);
            }
        }
    }
}
