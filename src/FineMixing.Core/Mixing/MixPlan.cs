using System.Globalization;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing;

/// <summary>What happened to a tensor.</summary>
public enum TensorAction
{
    /// <summary>Mixed by the method.</summary>
    Mixed,

    /// <summary>Kept from the suspect, because of its ratio, a policy, its type, or because only the suspect has it.</summary>
    Suspect,

    /// <summary>Taken from the base, because of its ratio or a policy.</summary>
    Base,

    /// <summary>Drawn anew.</summary>
    Reinitialised,
}

/// <summary>What is done to one tensor.</summary>
/// <param name="Name">The name in suspect and result.</param>
/// <param name="BaseName">The name in the base; null when the base has none.</param>
/// <param name="DType">The element type of suspect and result.</param>
/// <param name="Shape">The shape.</param>
/// <param name="Elements">The number of elements.</param>
/// <param name="Action">What is done.</param>
/// <param name="Ratio">The reserve ratio of this tensor; null where nothing is mixed.</param>
public sealed record TensorMixSummary(string Name, string? BaseName, string DType, IReadOnlyList<long> Shape, long Elements, TensorAction Action, double? Ratio);

/// <summary>One tensor of the plan.</summary>
internal sealed record TensorPlan(TensorInfo Suspect, TensorInfo? Base, IReadOnlyList<TensorInfo> Others, TensorAction Action, double Ratio)
{
    public TensorMixSummary Summary => new(Suspect.Name, Base?.Name, Suspect.DType.SafetensorsName(), Suspect.Shape, Suspect.ElementCount, Action, Action == TensorAction.Mixed ? Ratio : null);
}

/// <summary>Decides, before anything is mixed, what happens to every tensor.</summary>
internal sealed class MixPlan
{
    private const int Shown = 50;

    private MixPlan(IWeightMixer mixer, MixingOptions options, IReadOnlyList<TensorPlan> tensors)
    {
        Mixer = mixer;
        Options = options;
        Tensors = tensors;
    }

    public IWeightMixer Mixer { get; }

    public MixingOptions Options { get; }

    public IReadOnlyList<TensorPlan> Tensors { get; }

    public ScratchArrays Scratch { get; } = new();

    public long TotalBytes
    {
        get
        {
            long bytes = 0;
            foreach (var tensor in Tensors)
                bytes += tensor.Suspect.ByteLength;
            return bytes;
        }
    }

    public bool ReadsBase(TensorPlan tensor) =>
        tensor.Base is not null && (tensor.Action == TensorAction.Base || (tensor.Action == TensorAction.Mixed && UsesBase(Mixer, tensor.Others.Count)));

    private static bool UsesBase(IWeightMixer mixer, int others) => mixer.Inputs.UsesBase && !(others > 0 && mixer.Inputs.OthersReplaceBase);

    /// <summary>True when a tensor must be mixed in one run.</summary>
    public bool IsInOnePiece(TensorPlan tensor) => tensor.Action == TensorAction.Mixed && Mixer.NeedsWholeTensors;

    public static MixPlan Create(IWeightMixer mixer, ICheckpoint suspect, ICheckpoint @base, MixingOptions options, IReadOnlyList<ICheckpoint> others)
    {
        ArgumentNullException.ThrowIfNull(mixer);
        ArgumentNullException.ThrowIfNull(suspect);
        ArgumentNullException.ThrowIfNull(@base);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var inputs = mixer.Inputs;
        if (others.Count < inputs.MinimumOthers || others.Count > inputs.MaximumOthers)
        {
            var expected = inputs.MaximumOthers == 0 ? "none" : inputs.MinimumOthers == 0 ? string.Create(CultureInfo.InvariantCulture, $"at most {inputs.MaximumOthers}") : string.Create(CultureInfo.InvariantCulture, $"{inputs.MinimumOthers} or more");
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{mixer.Title} was given {others.Count} models besides suspect and base; expected {expected}."), nameof(others));
        }

        var counterparts = Match(suspect, @base, "base");
        var siblingsOf = others.Select(o => Match(suspect, o, "other model")).ToList();
        var ratioOf = options.Schedule.Prepare(suspect.Tensors.Select(t => t.Name).ToArray(), options.ReserveRatio);
        var plans = new TensorPlan[suspect.Tensors.Count];
        var unfit = new List<string>();
        for (var i = 0; i < plans.Length; i++)
        {
            var tensor = suspect.Tensors[i];
            var siblings = siblingsOf.Count == 0 ? [] : siblingsOf.Select(s => s[i]).ToArray();
            var ratio = ratioOf(tensor.Name);
            var action = ActionFor(mixer, tensor, counterparts[i], siblings, ratio, options, out var isUnfit);
            if (isUnfit)
                unfit.Add($"'{tensor.Name}' is {string.Join(" and ", siblings.Prepend(counterparts[i]).Prepend(tensor).OfType<TensorInfo>().Select(t => t.DType.SafetensorsName()))}");
            plans[i] = new TensorPlan(tensor, counterparts[i], action == TensorAction.Mixed && siblings.Length > 0 ? Array.ConvertAll(siblings, s => s!) : [], action, ratio);
        }

        if (unfit.Count > 0)
            throw new IncompatibleCheckpointsException($"Only F16, BF16, F32 and F64 can be mixed, and of these tensors (type in suspect, base and other models) the suspect's values would stay: {string.Join("; ", unfit.Take(Shown))}{(unfit.Count > Shown ? string.Create(CultureInfo.InvariantCulture, $"; and {unfit.Count - Shown} more") : "")}. Convert them first, or keep them by ratio 1 or a policy.", unfit);
        return new MixPlan(mixer, options, plans);
    }

    // The other model's tensor for each of the suspect's, in the suspect's order.
    private static TensorInfo?[] Match(ICheckpoint suspect, ICheckpoint other, string role)
    {
        var comparison = CheckpointComparison.Compare(suspect, other);
        if (role == "base")
            comparison.ThrowIfIncompatible();
        else if (comparison.Problems.Count > 0)
            throw new IncompatibleCheckpointsException($"The suspect '{suspect.Location}' and the {role} '{other.Location}' (called the base below) cannot be combined: {string.Join(" ", comparison.Problems)}", comparison.Problems);
        var matches = new TensorInfo?[suspect.Tensors.Count];
        for (int i = 0, next = 0; i < matches.Length && next < comparison.Pairs.Count; i++)
        {
            if (comparison.Pairs[next].Suspect == suspect.Tensors[i])
                matches[i] = comparison.Pairs[next++].Base;
        }

        return matches;
    }

    private static TensorAction ActionFor(IWeightMixer mixer, TensorInfo tensor, TensorInfo? counterpart, TensorInfo?[] siblings, double ratio, MixingOptions options, out bool isUnfit)
    {
        isUnfit = false;
        var role = TensorNames.RoleOf(tensor.Name);
        if (!tensor.DType.IsMixable())
        {
            // Counters and flags stay; weights in another type must not pass as if they had been mixed.
            isUnfit = counterpart is null ? role == TensorRole.Head && options.Head == HeadPolicy.Reinitialise : !IsKept() && !(tensor.DType.IsInteger() && counterpart.DType.IsInteger());
            return TensorAction.Suspect;
        }

        if (counterpart is null && role == TensorRole.Head && options.Head == HeadPolicy.Reinitialise)
            return TensorAction.Reinitialised;
        var policy = Policy();
        // A schedule's 0 gives a tensor back to the base whatever the method makes of ratios.
        if (counterpart is not null && counterpart.DType.IsMixable()
            && (policy == TensorPolicy.Base || (ratio == 0 && policy == TensorPolicy.Mix && (mixer.IsRatioExact || !options.Schedule.Equals(RatioSchedule.Uniform)))))
            return TensorAction.Base;
        if (IsKept())
            return TensorAction.Suspect;
        var usesBase = UsesBase(mixer, siblings.Length);
        isUnfit = (usesBase && counterpart is not null && !counterpart.DType.IsMixable()) || Array.Exists(siblings, s => s is not null && !s.DType.IsMixable());
        var complete = counterpart is not null || !usesBase;
        return complete && Array.TrueForAll(siblings, s => s is not null) ? TensorAction.Mixed : TensorAction.Suspect;

        bool IsKept() => Policy() == TensorPolicy.Suspect || (ratio == 1 && mixer.IsRatioExact);

        TensorPolicy Policy() => role switch
        {
            TensorRole.LayerNorm => options.LayerNorms,
            TensorRole.Bias => options.Biases,
            TensorRole.Embedding => options.Embeddings,
            _ => TensorPolicy.Mix,
        };
    }
}
