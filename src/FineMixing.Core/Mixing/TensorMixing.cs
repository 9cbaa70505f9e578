using FineMixing.Checkpoints;
using FineMixing.Mixing.Mixers;

namespace FineMixing.Mixing;

/// <summary>Carries out the plan of one tensor on runs of its elements, wherever they come from; safe to use from several threads.</summary>
internal sealed class TensorMixing
{
    private readonly TensorPlan _tensor;
    private readonly MixingOptions _options;
    private readonly ITensorMixer? _mixer;

    public TensorMixing(MixPlan plan, TensorPlan tensor)
    {
        _tensor = tensor;
        _options = plan.Options;
        InOnePiece = tensor.Action == TensorAction.Mixed && plan.Mixer.NeedsWholeTensors;
        if (tensor.Action == TensorAction.Mixed)
            _mixer = plan.Mixer.Prepare(new TensorMixContext(tensor.Suspect, tensor.Ratio, tensor.Others.Count, plan.Options));
    }

    /// <summary>True when the tensor must be mixed in one run.</summary>
    public bool InOnePiece { get; }

    /// <summary>How many elements are the suspect's, where that is known.</summary>
    public long? CountKept() => _tensor.Action switch
    {
        TensorAction.Suspect => _tensor.Suspect.ElementCount,
        TensorAction.Mixed => _mixer!.CountKept(),
        _ => 0,
    };

    /// <summary>Mixes a run of elements; sources that the plan does not read may be empty.</summary>
    public void Mix(long start, MixInputs inputs, Span<byte> destination)
    {
        switch (_tensor.Action)
        {
            case TensorAction.Suspect:
                if (!inputs.Suspect.Bytes.Span.Overlaps(destination))
                    inputs.Suspect.Bytes.Span.CopyTo(destination);
                break;
            case TensorAction.Base:
                SelectionMixer.CopyBase(_tensor.Suspect.DType, inputs.Base, destination);
                break;
            case TensorAction.Reinitialised:
                HeadInitialisation.Fill(_tensor.Suspect, _options.Seed, start, destination);
                break;
            default:
                _mixer!.Mix(start, inputs, destination);
                break;
        }
    }

    /// <summary>Looks for NaN and infinities among the values that are used.</summary>
    /// <exception cref="NonFiniteChunkException">There is one.</exception>
    public void ThrowIfNotFinite(MixInputs inputs)
    {
        if ((_tensor.Action is TensorAction.Mixed or TensorAction.Suspect && Bad(inputs.Suspect)) || Bad(inputs.Base) || inputs.Others.Any(Bad))
            throw new NonFiniteChunkException();

        static bool Bad(MixSource source) => !source.Bytes.IsEmpty && NonFiniteWeights.First(source.DType, source.Bytes.Span) >= 0;
    }
}
