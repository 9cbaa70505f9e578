using FineMixing.Datasets;

namespace FineMixing.Evaluation;

/// <summary>How often each true label was predicted as each label.</summary>
public sealed class ConfusionMatrix
{
    private readonly int[,] _counts;

    private ConfusionMatrix(int[,] counts) => _counts = counts;

    /// <summary>The number of classes.</summary>
    public int NumLabels => _counts.GetLength(0);

    /// <summary>The number of examples with that true label and that prediction.</summary>
    public int this[int trueLabel, int predictedLabel] => _counts[trueLabel, predictedLabel];

    /// <summary>The share of examples predicted as their true label (ACC).</summary>
    public Proportion Accuracy
    {
        get
        {
            var recalls = Enumerable.Range(0, NumLabels).Select(Recall).ToList();
            return new Proportion(recalls.Sum(recall => recall.Successes), recalls.Sum(recall => recall.Total));
        }
    }

    /// <summary>The share of the examples of one class that were predicted as that class.</summary>
    public Proportion Recall(int trueLabel) => new(_counts[trueLabel, trueLabel], Enumerable.Range(0, NumLabels).Sum(predicted => _counts[trueLabel, predicted]));

    /// <summary>Counts predictions.</summary>
    /// <param name="examples">The examples with their true labels.</param>
    /// <param name="predictions">The predicted label of each, in the same order.</param>
    /// <param name="numLabels">The number of classes.</param>
    /// <exception cref="ArgumentException">The numbers differ, or a label is out of range.</exception>
    public static ConfusionMatrix Create(IReadOnlyList<TextExample> examples, IReadOnlyList<int> predictions, int numLabels)
    {
        EvaluationInputs.Check(examples, predictions, numLabels);
        var counts = new int[numLabels, numLabels];
        for (var i = 0; i < predictions.Count; i++)
            counts[examples[i].Label, predictions[i]]++;
        return new ConfusionMatrix(counts);
    }
}
