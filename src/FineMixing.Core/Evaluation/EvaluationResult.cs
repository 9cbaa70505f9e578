using System.Text.Json;
using System.Text.Json.Serialization;

namespace FineMixing.Evaluation;

/// <summary>The figures of one classifier on one test set, as written for machines; all rates are 0 to 1, intervals are 95% Wilson.</summary>
/// <remarks>The attack figures are null when no trigger was given, and left out of the JSON.</remarks>
public sealed record EvaluationResult
{
    private static readonly JsonSerializerOptions JsonOptions = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>ACC: the share of test samples predicted as their true label.</summary>
    public required double Accuracy { get; init; }

    /// <summary>The lower end of the interval of the accuracy.</summary>
    public required double AccuracyLow { get; init; }

    /// <summary>The upper end of the interval of the accuracy.</summary>
    public required double AccuracyHigh { get; init; }

    /// <summary>The number of test samples.</summary>
    public required int Samples { get; init; }

    /// <summary>The label the trigger aims at.</summary>
    public int? TargetLabel { get; init; }

    /// <summary>ASR: the share of triggered samples of other classes that get the target label.</summary>
    public double? AttackSuccessRate { get; init; }

    /// <summary>The lower end of the interval of the ASR.</summary>
    public double? AttackSuccessRateLow { get; init; }

    /// <summary>The upper end of the interval of the ASR.</summary>
    public double? AttackSuccessRateHigh { get; init; }

    /// <summary>The number of samples the ASR is measured on.</summary>
    public int? AttackSamples { get; init; }

    /// <summary>The share of the same samples that get the target label without the trigger: what the ASR of a clean classifier would be.</summary>
    public double? TargetRateWithoutTrigger { get; init; }

    /// <summary>RA: the share of triggered samples that get their true label.</summary>
    public double? RobustAccuracy { get; init; }

    /// <summary>LFR: the share of samples that only the trigger moves to the target label.</summary>
    public double? LabelFlipRate { get; init; }

    /// <summary>Collects measured figures.</summary>
    /// <param name="accuracy">Over the clean test set.</param>
    /// <param name="attack">With a trigger, or null; without samples (every test sample is of the target class) it is left out.</param>
    public static EvaluationResult Create(Proportion accuracy, AttackSuccess? attack = null)
    {
        var result = new EvaluationResult { Accuracy = accuracy.Rate, AccuracyLow = accuracy.Low, AccuracyHigh = accuracy.High, Samples = accuracy.Total };
        if (attack is null || attack.AttackSuccessRate.Total == 0)
            return result;
        return result with
        {
            TargetLabel = attack.TargetLabel,
            AttackSuccessRate = attack.AttackSuccessRate.Rate,
            AttackSuccessRateLow = attack.AttackSuccessRate.Low,
            AttackSuccessRateHigh = attack.AttackSuccessRate.High,
            AttackSamples = attack.AttackSuccessRate.Total,
            TargetRateWithoutTrigger = attack.TargetRateWithoutTrigger.Rate,
            RobustAccuracy = attack.RobustAccuracy.Rate,
            LabelFlipRate = attack.LabelFlipRate.Total == 0 ? null : attack.LabelFlipRate.Rate,
        };
    }

    /// <summary>The figures as a JSON object with keys such as <c>accuracy</c> and <c>attackSuccessRate</c>.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, JsonOptions);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="JsonException">The text is not such JSON.</exception>
    public static EvaluationResult FromJson(string json) => JsonSerializer.Deserialize<EvaluationResult>(json, JsonOptions) ?? throw new JsonException("null is no evaluation result.");
}
