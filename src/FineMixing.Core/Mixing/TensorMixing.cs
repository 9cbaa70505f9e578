using System.Runtime.CompilerServices;
using FineMixing.Checkpoints;
using FineMixing.Mixing.Mixers;

namespace FineMixing.Mixing;

/// <summary>Carries out the plan of one tensor on runs of its elements, wherever they come from; safe to use from several threads.</summary>
internal sealed class TensorMixing
{
    // 128 KiB of single precision a model; a multiple of eight, so that blocks of every type are whole bytes.
    private const int BlockElements = 1 << 15;

    private readonly MixPlan _plan;
    private readonly ITensorMixer? _mixer;

    public TensorMixing(MixPlan plan, TensorPlan tensor)
    {
        _plan = plan;
        Plan = tensor;
        if (tensor.Action == TensorAction.Mixed)
            _mixer = plan.Mixer.Prepare(new TensorMixContext(tensor.Suspect, tensor.Ratio, tensor.Others.Count, plan.Options) { Scratch = plan.Scratch });
    }

    /// <summary>What is carried out.</summary>
    public TensorPlan Plan { get; }

    /// <summary>True when the tensor must be mixed in one run.</summary>
    public bool InOnePiece => _plan.IsInOnePiece(Plan);

    /// <summary>How many elements are the suspect's, where that is known.</summary>
    public long? CountKept() => Plan.Action switch
    {
        TensorAction.Suspect => Plan.Suspect.ElementCount,
        TensorAction.Mixed => _mixer!.CountKept(),
        _ => 0,
    };

    /// <summary>Checks, when asked, and mixes a run of elements; sources that the plan does not read may be empty.</summary>
    /// <exception cref="NonFiniteChunkException">There is a NaN or infinity among the values that are used.</exception>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Mix(long start, MixInputs inputs, Span<byte> destination, bool checkFinite)
    {
        if (checkFinite && _mixer is IFiniteMixer finite && finite.ChecksWhileMixing(inputs))
        {
            if (!finite.MixFinite(start, inputs, destination))
                throw new NonFiniteChunkException();
            return;
        }

        // Where values are checked, block by block: what the check read is then still in the nearest cache when it is mixed.
        var bits = Plan.Suspect.DType.BitSize();
        var count = destination.Length * 8L / bits;
        var step = InOnePiece || !checkFinite ? Math.Max(1, count) : BlockElements;
        for (long done = 0; done < count; done += step)
        {
            var length = (int)Math.Min(step, count - done);
            var block = count <= step ? inputs : new MixInputs(Slice(inputs.Suspect, done, length), Slice(inputs.Base, done, length), inputs.Others.Count == 0 ? [] : [.. inputs.Others.Select(o => Slice(o, done, length))]);
            if (checkFinite)
                ThrowIfNotFinite(block);
            var result = destination.Slice((int)(done * bits / 8), (int)((long)length * bits / 8));
            Mix(start + done, block, result);
            if (checkFinite && NonFiniteWeights.First(Plan.Suspect.DType, result) is >= 0 and var at)
                throw new ArgumentException($"Tensor '{Plan.Suspect.Name}': element {start + done + at} of the result is beyond the range of {Plan.Suspect.DType.SafetensorsName()}, though those it was made from are finite numbers.");
        }
    }

    private void Mix(long start, MixInputs inputs, Span<byte> destination)
    {
        switch (Plan.Action)
        {
            case TensorAction.Suspect:
                if (!inputs.Suspect.Bytes.Span.Overlaps(destination))
                    inputs.Suspect.Bytes.Span.CopyTo(destination);
                break;
            case TensorAction.Base:
                SelectionMixer.CopyBase(Plan.Suspect.DType, inputs.Base, destination);
                break;
            case TensorAction.Reinitialised:
                HeadInitialisation.Fill(Plan.Suspect, _plan.Options.Seed, start, destination);
                break;
            default:
                _mixer!.Mix(start, inputs, destination);
                break;
        }
    }

    private void ThrowIfNotFinite(MixInputs inputs)
    {
        if ((Plan.Action is TensorAction.Mixed or TensorAction.Suspect && Bad(inputs.Suspect)) || Bad(inputs.Base) || inputs.Others.Any(Bad))
            throw new NonFiniteChunkException();

        static bool Bad(MixSource source) => !source.Bytes.IsEmpty && NonFiniteWeights.First(source.DType, source.Bytes.Span) >= 0;
    }

    private static MixSource Slice(MixSource source, long start, long count)
    {
        var bits = source.DType.BitSize();
        return source.Bytes.IsEmpty ? source : source with { Bytes = source.Bytes.Slice((int)(start * bits / 8), (int)(count * bits / 8)) };
    }
}
