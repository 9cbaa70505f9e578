using FineMixing.Checkpoints;

namespace FineMixing.Mixing;

/// <summary>A way to combine the weights of a suspect model with its base and, for some methods, with other models; tensor by tensor.</summary>
/// <remarks>Implementations are immutable and safe to use from several threads.</remarks>
public interface IWeightMixer
{
    /// <summary>The name it is registered and recorded under, for example <c>fine-mixing</c>.</summary>
    string Name { get; }

    /// <summary>A readable name for tables and reports.</summary>
    string Title { get; }

    /// <summary>The publication that defines it.</summary>
    string Citation { get; }

    /// <summary>Its parameters, as recorded in manifests.</summary>
    MixerParameters Parameters { get; }

    /// <summary>Which models it combines.</summary>
    MixerInputs Inputs { get; }

    /// <summary>True when a tensor must be mixed in one piece (norms, rankings); false when any run of elements can be mixed alone.</summary>
    bool NeedsWholeTensors { get; }

    /// <summary>True when ratio 0 means the base and ratio 1 the suspect, exactly; then such tensors are copied.</summary>
    bool IsRatioExact { get; }

    /// <summary>False when the result does not depend on the reserve ratio, nor on a schedule of ratios.</summary>
    bool UsesReserveRatio => true;

    /// <summary>Prepares the mixing of one tensor: checks its parameters, derives keys, selects thresholds.</summary>
    /// <exception cref="ArgumentException">The mixer's parameters do not fit the tensor or the number of models.</exception>
    ITensorMixer Prepare(TensorMixContext context);
}

/// <summary>Mixes one tensor; safe to use from several threads.</summary>
public interface ITensorMixer
{
    /// <summary>Mixes a run of elements.</summary>
    /// <param name="start">The index of the first element in row-major order; 0 for mixers that need whole tensors.</param>
    /// <param name="inputs">The same run of every model, each in its own element type.</param>
    /// <param name="destination">The result in the suspect's element type, filled completely; may be the suspect's memory.</param>
    void Mix(long start, MixInputs inputs, Span<byte> destination);

    /// <summary>How many elements of the tensor are the suspect's, for mixers that select and know it without the values; otherwise null.</summary>
    long? CountKept() => null;
}

/// <summary>Which models a mixer combines.</summary>
/// <param name="UsesBase">Whether the base's values are read.</param>
/// <param name="MinimumOthers">The fewest models besides suspect and base.</param>
/// <param name="MaximumOthers">The most.</param>
public sealed record MixerInputs(bool UsesBase, int MinimumOthers, int MaximumOthers)
{
    /// <summary>Whether the base's values are read only where there are no other models.</summary>
    public bool OthersReplaceBase { get; init; }
}

/// <summary>What a mixer knows about the tensor it prepares for.</summary>
/// <param name="Tensor">Name, type and shape in the suspect.</param>
/// <param name="Ratio">The reserve ratio of this tensor, from the schedule.</param>
/// <param name="OtherCount">The number of models besides suspect and base.</param>
/// <param name="Options">Seed, granularity and the rest.</param>
public sealed record TensorMixContext(TensorInfo Tensor, double Ratio, int OtherCount, MixingOptions Options)
{
    /// <summary>Memory that the tensors of a run use one after the other.</summary>
    internal ScratchArrays Scratch { get => field ??= new ScratchArrays(); init; }
}

/// <summary>Elements of one model.</summary>
/// <param name="DType">Their type.</param>
/// <param name="Bytes">Their bytes.</param>
public readonly record struct MixSource(DType DType, ReadOnlyMemory<byte> Bytes);

/// <summary>The same run of elements of every model.</summary>
/// <param name="Suspect">Of the suspect.</param>
/// <param name="Base">Of the base; empty when the mixer does not use it.</param>
/// <param name="Others">Of the others, in the order given.</param>
public readonly record struct MixInputs(MixSource Suspect, MixSource Base, IReadOnlyList<MixSource> Others);
