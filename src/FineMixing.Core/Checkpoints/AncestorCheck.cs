using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;

namespace FineMixing.Checkpoints;

/// <summary>How far one layer of the suspect is from the base.</summary>
/// <param name="Layer">The layer's name in the suspect, for example <c>bert.encoder.layer.3</c>.</param>
/// <param name="ElementCount">How many weights were compared.</param>
/// <param name="RelativeDrift">||suspect - base|| / ||base|| (2-norm); 0 when equal, about 1.4 for unrelated weights of equal size.</param>
/// <param name="Cosine">The cosine of the angle between the two; 1 when equal, about 0 for unrelated weights.</param>
public sealed record LayerDrift(string Layer, long ElementCount, double RelativeDrift, double Cosine);

/// <summary>Whether a base is really what a suspect was fine-tuned from, judged from how far each layer moved.</summary>
/// <remarks>
/// Fine-tuning moves weights a little; weights from another initialisation or another pre-training are nearly at right angles to each other.
/// Only matrices count (norms and biases look alike in all models of a kind), which leaves out the biases of attention keys, whose gradient is 0 and whose values are noise.
/// </remarks>
/// <param name="Layers">In the suspect's order.</param>
/// <param name="MedianCosine">The median of the layers' cosines.</param>
public sealed record AncestorCheck(IReadOnlyList<LayerDrift> Layers, double MedianCosine)
{
    /// <summary>A base is plausible if the median of the layers' cosines is at least this.</summary>
    /// <remarks>
    /// Measured on three classifiers fine-tuned from a 6-layer, 384-wide encoder (learning rate 5e-5, 2 epochs, 67,349 sentences): every layer has a cosine
    /// of at least 0.999 and a relative drift of 0.02 to 0.04. The same classifiers against the encoder with shuffled rows: median 0.010; with random weights of
    /// the same size: median 0.000 (drift 1.41). The limit leaves room for long training at high learning rates.
    /// </remarks>
    public const double PlausibleCosine = 0.7;

    /// <summary>True if the suspect may well have been fine-tuned from this base.</summary>
    public bool IsPlausible => MedianCosine >= PlausibleCosine;

    /// <summary>True if no compared weight differs: at most biases, normalisation layers and the head are the suspect's own.</summary>
    public bool HasIdenticalMatrices => Layers.Count > 0 && Layers.All(l => l.RelativeDrift == 0);

    /// <summary>Compares all matrices of both sides, in bounded memory.</summary>
    /// <param name="suspect">The suspect.</param>
    /// <param name="base">The base it is said to come from.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="CheckpointFormatException">A checkpoint cannot be read.</exception>
    public static AncestorCheck Run(ICheckpoint suspect, ICheckpoint @base, CancellationToken cancellationToken = default) => Run(suspect, @base, long.MaxValue, cancellationToken);

    /// <summary>Compares a sample of every matrix, in a moment whatever the model's size: about 16,000 weights in runs of 4,096 at equal distances.</summary>
    /// <remarks>Enough to tell unrelated weights, whose cosine is 0 up to 0.01 in such a sample. Small changes in few places may be missed: <see cref="HasIdenticalMatrices"/> then speaks of the sample only.</remarks>
    /// <inheritdoc cref="Run(ICheckpoint, ICheckpoint, CancellationToken)" path="/param"/>
    /// <inheritdoc cref="Run(ICheckpoint, ICheckpoint, CancellationToken)" path="/exception"/>
    public static AncestorCheck Sample(ICheckpoint suspect, ICheckpoint @base, CancellationToken cancellationToken = default) => Run(suspect, @base, 4, cancellationToken);

    private static AncestorCheck Run(ICheckpoint suspect, ICheckpoint @base, long mostRuns, CancellationToken cancellationToken)
    {
        var pairs = CheckpointComparison.Compare(suspect, @base).Pairs;
        var layers = new Dictionary<string, Sums>(StringComparer.Ordinal);
        var buffers = new TensorReader.PairBuffers();
        foreach (var (ours, theirs) in pairs.Where(p => IsCompared(p.Suspect) && IsCompared(p.Base)))
        {
            var layer = LayerOf(ours.Name);
            if (!layers.TryGetValue(layer, out var sums))
                layers.Add(layer, sums = new Sums());
            TensorReader.ForEachChunk(suspect, ours, @base, theirs, mostRuns, buffers, sums.Add, cancellationToken);
        }

        var drifts = layers.Select(l => l.Value.ToDrift(l.Key)).ToArray();
        return new AncestorCheck(drifts, MedianCosineOf(drifts));
    }

    /// <summary>Refuses an implausible base.</summary>
    /// <exception cref="ArgumentException">The base is implausible; the message has the table.</exception>
    public void ThrowIfImplausible()
    {
        if (!IsPlausible)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"The suspect was hardly fine-tuned from this base: {Finding}.\n{ToTable()}"));
    }

    /// <summary>What was found, as half a sentence.</summary>
    public string Finding => Layers.Count == 0
        ? "there is no weight matrix in F16, BF16, F32 or F64 in both that could be compared"
        : string.Create(CultureInfo.InvariantCulture, $"the median cosine of the layers is {MedianCosine:F3}, at least {PlausibleCosine} is expected of a model that was fine-tuned from its base");

    /// <summary>The layers as aligned text.</summary>
    public string ToTable()
    {
        var width = Layers.Select(l => l.Layer.Length).Append("layer".Length).Max();
        var table = new StringBuilder($"{"layer".PadRight(width)}  relative drift  cosine\n");
        foreach (var layer in Layers)
            table.Append(CultureInfo.InvariantCulture, $"{layer.Layer.PadRight(width)}  {layer.RelativeDrift,14:F4}  {layer.Cosine,6:F3}\n");
        return table.ToString();
    }

    private static bool IsCompared(TensorInfo tensor) => tensor.DType.IsMixable() && tensor.Shape.Length >= 2 && tensor.ElementCount > 0 && !CheckpointComparison.IsHead(tensor.Name);

    // "bert.encoder.layer.3.attention.self.query.weight" belongs to "bert.encoder.layer.3"; without a number, to the module above its parameter.
    private static string LayerOf(string name)
    {
        // Character by character: no strings of parts for each of thousands of names.
        for (int i = 0, digits = 0; i <= name.Length; i++)
        {
            if (i < name.Length && char.IsAsciiDigit(name[i]))
                digits++;
            else if (i < name.Length && name[i] != '.')
                digits = int.MinValue;
            else if (digits > 0)
                return name[..i];
            else
                digits = 0;
        }

        return name.LastIndexOf('.') is >= 0 and var last ? name[..last] : name;
    }

    private static double MedianCosineOf(LayerDrift[] drifts)
    {
        if (drifts.Length == 0)
            return double.NaN;
        LayerDrift[] ordered = [.. drifts];
        Array.Sort(ordered, (a, b) => a.Cosine.CompareTo(b.Cosine));
        return (ordered[(ordered.Length - 1) / 2].Cosine + ordered[ordered.Length / 2].Cosine) / 2;
    }

    /// <summary>The sums of a layer: single precision within a piece, double precision over them.</summary>
    private sealed class Sums
    {
        private double _suspect;
        private double _base;
        private double _product;
        private double _distance;
        private long _count;

        // One pass with all optimisations from its first call: a sample is over before the runtime would find out that this is hot.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Add(ReadOnlySpan<float> suspect, ReadOnlySpan<float> @base)
        {
            var (ours, theirs, product, distance) = (Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero);
            ref var x = ref MemoryMarshal.GetReference(suspect);
            ref var y = ref MemoryMarshal.GetReference(@base);
            var i = 0;
            for (; i <= suspect.Length - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                var (a, b) = (Vector256.LoadUnsafe(ref x, (nuint)i), Vector256.LoadUnsafe(ref y, (nuint)i));
                ours += a * a;
                theirs += b * b;
                product += a * b;
                distance += (a - b) * (a - b);
            }

            _suspect += Vector256.Sum(ours);
            _base += Vector256.Sum(theirs);
            _product += Vector256.Sum(product);
            _distance += Vector256.Sum(distance);
            for (; i < suspect.Length; i++)
            {
                var (a, b) = (suspect[i], @base[i]);
                _suspect += a * a;
                _base += b * b;
                _product += a * b;
                _distance += (a - b) * (a - b);
            }

            _count += suspect.Length;
        }

        public LayerDrift ToDrift(string layer) => new(layer, _count,
            _distance == 0 ? 0 : Math.Sqrt(_distance) / Math.Sqrt(_base),
            _distance == 0 ? 1 : _suspect == 0 || _base == 0 ? 0 : _product / Math.Sqrt(_suspect) / Math.Sqrt(_base));
    }
}
