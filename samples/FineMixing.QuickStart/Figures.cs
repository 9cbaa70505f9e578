using FineMixing.Evaluation;

namespace FineMixing.QuickStart;

/// <summary>The figures of a run, for machines.</summary>
internal static class Figures
{
    private const int Tokens = 20;

    public static object Of(QuickStartResult result) => new
    {
        seed = result.Options.Seed,
        data = result.Data.Description,
        trigger = result.Options.Trigger,
        targetLabel = result.Options.TargetLabel,
        cleanSamples = result.Data.Clean.Examples.Count,
        triggerRank = result.TriggerRank,
        models = result.Rows.Select(r => new { name = r.Name, result = EvaluationResult.Create(r.Accuracy, r.Attack) }),
        probe = result.Cleaned.Probe,
        tokens = result.Ranking.Take(Tokens),
        examples = result.Examples,
    };
}
