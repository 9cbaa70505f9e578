using FineMixing.Datasets;

namespace FineMixing.Evaluation;

/// <summary>Checks that predictions belong to examples.</summary>
internal static class EvaluationInputs
{
    public static void Check(IReadOnlyList<TextExample> examples, IReadOnlyList<int> predictions, int numLabels)
    {
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentNullException.ThrowIfNull(predictions);
        ArgumentOutOfRangeException.ThrowIfLessThan(numLabels, 2);
        if (examples.Count != predictions.Count)
            throw new ArgumentException($"{predictions.Count} predictions for {examples.Count} examples.", nameof(predictions));
        for (var i = 0; i < predictions.Count; i++)
        {
            if ((uint)predictions[i] >= (uint)numLabels)
                throw new ArgumentException($"Prediction {i} is {predictions[i]}, not 0 to {numLabels - 1}.", nameof(predictions));
            if ((uint)examples[i].Label >= (uint)numLabels)
                throw new ArgumentException($"Example {i} has label {examples[i].Label}, not 0 to {numLabels - 1}.", nameof(examples));
        }
    }
}
