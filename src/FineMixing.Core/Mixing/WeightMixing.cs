using FineMixing.Checkpoints;

namespace FineMixing.Mixing;

/// <summary>The weights made by a mixer.</summary>
/// <param name="Weights">The suspect's names, types and order.</param>
/// <param name="Tensors">What was done to each tensor, in the same order.</param>
public sealed record MixingResult(StateDict Weights, IReadOnlyList<TensorMixSummary> Tensors);

/// <summary>Mixes models in memory.</summary>
public static class WeightMixing
{
    private const int ChunkElements = 1 << 18;

    /// <summary>Mixes a suspect with its base (and others) into new weights.</summary>
    /// <param name="mixer">The method.</param>
    /// <param name="suspect">The fine-tuned model; decides names, types and order of the result.</param>
    /// <param name="base">The pre-trained model; names may differ by prefix, types at will (values are converted once to the suspect's type).</param>
    /// <param name="options">Ratio, seed and the rest.</param>
    /// <param name="others">More models, for methods that combine several.</param>
    /// <param name="ct">Cancels between chunks.</param>
    /// <returns>The mixed weights; none of the inputs is changed.</returns>
    /// <exception cref="ArgumentException">Bad options, models that do not fit together (all differences are listed), or NaN or infinite weights.</exception>
    public static MixingResult Mix(IWeightMixer mixer, StateDict suspect, StateDict @base, MixingOptions options, IReadOnlyList<StateDict>? others = null, CancellationToken ct = default)
    {
        var plan = MixPlan.Create(mixer, suspect, @base, options, others ?? []);
        var weights = new StateDict($"{suspect.Location} mixed by {mixer.Name}");
        foreach (var tensor in plan.Tensors)
            weights.Add(new HostTensor(tensor.Suspect, GC.AllocateUninitializedArray<byte>(checked((int)tensor.Suspect.ByteLength))));
        Run(plan, suspect, @base, others ?? [], weights, options.CheckFinite, ct);
        return new MixingResult(weights, [.. plan.Tensors.Select(t => t.Summary)]);
    }

    /// <summary>Mixes into weights that exist already: faster than into new memory, and possible in place.</summary>
    /// <param name="mixer">The method.</param>
    /// <param name="suspect">The fine-tuned model.</param>
    /// <param name="base">The pre-trained model.</param>
    /// <param name="options">Ratio, seed and the rest.</param>
    /// <param name="destination">Tensors of the suspect's names, types and shapes, overwritten; may be the suspect itself.</param>
    /// <param name="others">More models, for methods that combine several.</param>
    /// <param name="ct">Cancels between chunks; the destination is then partly written.</param>
    /// <remarks>Where an input is overwritten, its weights are examined before and results beyond the range of their type are not looked for: it would be too late.</remarks>
    /// <returns>What was done to each tensor.</returns>
    /// <exception cref="ArgumentException">As for <see cref="Mix"/>, or the destination does not fit; the destination is then as it was, but for NaN or infinite weights it may be partly written if it shares no memory with an input.</exception>
    public static IReadOnlyList<TensorMixSummary> MixInto(IWeightMixer mixer, StateDict suspect, StateDict @base, MixingOptions options, StateDict destination, IReadOnlyList<StateDict>? others = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var plan = MixPlan.Create(mixer, suspect, @base, options, others ?? []);
        var problems = plan.Tensors
            .Where(t => !destination.TryGetTensor(t.Suspect.Name, out var found) || found.DType != t.Suspect.DType || !found.Shape.AsSpan().SequenceEqual(t.Suspect.Shape.AsSpan()))
            .Select(t => t.Suspect.ToString()).ToList();
        if (problems.Count > 0)
            throw new ArgumentException($"The destination {destination.Location} lacks tensors of the suspect: {string.Join("; ", problems)}.", nameof(destination));

        // Where an input is overwritten everything is examined first, elsewhere on the way.
        var first = options.CheckFinite && SharesMemory(destination, [suspect, @base, .. others ?? []]);
        if (first)
            NonFiniteWeights.ThrowIfAny(plan, suspect, @base, others ?? [], ct);
        Run(plan, suspect, @base, others ?? [], destination, options.CheckFinite && !first, ct);
        return [.. plan.Tensors.Select(t => t.Summary)];
    }

    private static bool SharesMemory(StateDict destination, IReadOnlyList<StateDict> inputs)
    {
        var written = new HashSet<byte[]>(destination.Tensors.Select(t => destination[t.Name].Bytes), ReferenceEqualityComparer.Instance);
        return inputs.Any(input => input.Tensors.Any(t => written.Contains(input[t.Name].Bytes)));
    }

    private static void Run(MixPlan plan, StateDict suspect, StateDict @base, IReadOnlyList<StateDict> others, StateDict destination, bool checkFinite, CancellationToken ct)
    {
        try
        {
            WorkerThreads.Run(Chunks(), plan.Options.ThreadCount, chunk => chunk.Job.Run(chunk.Start, chunk.Count, checkFinite), ct);
        }
        catch (NonFiniteChunkException)
        {
            NonFiniteWeights.ThrowIfAny(plan, suspect, @base, others, ct);
            throw;
        }

        IEnumerable<(TensorJob Job, long Start, int Count)> Chunks()
        {
            foreach (var tensor in plan.Tensors)
            {
                var job = new TensorJob(plan, tensor, suspect, @base, others, destination);
                var count = tensor.Suspect.ElementCount;
                long step = job.InOnePiece ? Math.Max(1, count) : ChunkElements;
                for (long start = 0; start < count; start += step)
                    yield return (job, start, (int)Math.Min(step, count - start));
            }
        }
    }

    /// <summary>The memory of one tensor in every model and what is done with it.</summary>
    private sealed class TensorJob
    {
        private readonly TensorMixing _mixing;
        private readonly HostTensor _suspect;
        private readonly HostTensor? _base;
        private readonly HostTensor[] _others;
        private readonly HostTensor _destination;

        public TensorJob(MixPlan plan, TensorPlan tensor, StateDict suspect, StateDict @base, IReadOnlyList<StateDict> others, StateDict destination)
        {
            _mixing = new TensorMixing(plan, tensor);
            _suspect = suspect[tensor.Suspect.Name];
            _destination = destination[tensor.Suspect.Name];
            _base = plan.ReadsBase(tensor) ? @base[tensor.Base!.Name] : null;
            _others = [.. tensor.Others.Select((o, i) => others[i][o.Name])];
        }

        public bool InOnePiece => _mixing.InOnePiece;

        public void Run(long start, int count, bool checkFinite)
        {
            var inputs = new MixInputs(Source(_suspect, start, count), _base is null ? default : Source(_base, start, count), Array.ConvertAll(_others, o => Source(o, start, count)));
            var size = _destination.Info.DType.BitSize();
            _mixing.Mix(start, inputs, _destination.Bytes.AsSpan(ByteOffset(start, size), ByteOffset(count, size)), checkFinite);
        }

        private static MixSource Source(HostTensor tensor, long start, int count)
        {
            var size = tensor.Info.DType.BitSize();
            return new MixSource(tensor.Info.DType, tensor.Bytes.AsMemory(ByteOffset(start, size), ByteOffset(count, size)));
        }

        // Types of less than a byte come in whole bytes, and chunks in multiples of eight elements.
        private static int ByteOffset(long elements, int bits) => checked((int)(elements * bits / 8));
    }
}
