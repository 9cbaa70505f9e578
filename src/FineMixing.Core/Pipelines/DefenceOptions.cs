using System.Globalization;
using FineMixing.Distillation;
using FineMixing.FineTuning;
using FineMixing.Mixing;
using FineMixing.Probing;

namespace FineMixing.Pipelines;

/// <summary>What a defence does, and with which numbers.</summary>
public sealed record DefenceOptions
{
    /// <summary>The defence.</summary>
    public DefenceMethod Method { get; init; } = DefenceMethod.FineMixing;

    /// <summary>Share of the weights (or units) kept from the suspect, 0 to 1; null searches it on the clean samples (see <see cref="Search"/>).</summary>
    /// <remarks>Of <see cref="DefenceMethod.TriggerUnlearning"/> it is the ratio of the distilled model; how much of the suspect itself is replaced is said by <see cref="TriggerUnlearningOptions.ResetUnits"/>.</remarks>
    public double? ReserveRatio { get; init; }

    /// <summary>How the ratio varies over the layers. Default: uniform, as in the paper.</summary>
    public RatioSchedule Schedule { get; init; } = RatioSchedule.Uniform;

    /// <summary>Embedding rows E-PUR resets before anything else; 0 leaves E-PUR out. Default 200, as in the paper.</summary>
    public int PurifyTopK { get; init; } = 200;

    /// <summary>Clean samples drawn from the clean set, class-balanced; 0 takes all. Default 64, as in the paper.</summary>
    public int Samples { get; init; } = 64;

    /// <summary>Masks of <see cref="DefenceMethod.MaskAverage"/>, at least 2. Default 3.</summary>
    public int Masks { get; init; } = 3;

    /// <summary>How the mixed model is fine-tuned. Its seed is replaced by <see cref="Seed"/>.</summary>
    public FineTuningOptions FineTuning { get; init; } = new();

    /// <summary>How <see cref="DefenceMethod.Distillation"/> and <see cref="DefenceMethod.TriggerUnlearning"/> make text and learn; null takes the defaults for sentences or pairs, whichever the samples are.</summary>
    public DistillationOptions? Distillation { get; init; }

    /// <summary>How <see cref="DefenceMethod.TriggerUnlearning"/> looks for a trigger and unlearns it.</summary>
    public TriggerUnlearningOptions Unlearning { get; init; } = new();

    /// <summary>How the ratio is searched.</summary>
    public RatioSearchOptions Search { get; init; } = new();

    /// <summary>Decides the samples, the masks, the made text and the training.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">Lists all values out of range.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        void Check(bool good, FormattableString problem)
        {
            if (!good)
                problems.Add(problem.ToString(CultureInfo.InvariantCulture));
        }

        Check(ReserveRatio is null or (>= 0 and <= 1), $"ReserveRatio is {ReserveRatio}; expected 0 to 1");
        Check(PurifyTopK >= 0, $"PurifyTopK is {PurifyTopK}; expected 0 (no E-PUR) or more");
        Check(Samples is 0 or >= 2, $"Samples is {Samples}; expected 0 (all) or at least 2");
        Check(Masks >= 2, $"Masks is {Masks}; expected at least 2");
        if (problems.Count > 0)
            throw new ArgumentException(string.Join("; ", problems) + ".");
        FineTuning.Validate();
        Distillation?.Validate();
        Unlearning.Validate();
        Search.Validate();
    }
}
