namespace FineMixing.Evaluation;

/// <summary>From a model's outputs to labels.</summary>
public static class Predictions
{
    /// <summary>The label with the highest logit of each row; the lowest label when several are equal.</summary>
    /// <param name="logits">One row per example, one value per label.</param>
    /// <exception cref="ArgumentException">A row is empty or holds a value that is not a number.</exception>
    public static IReadOnlyList<int> FromLogits(IReadOnlyList<float[]> logits)
    {
        ArgumentNullException.ThrowIfNull(logits);
        var labels = new int[logits.Count];
        for (var i = 0; i < labels.Length; i++)
        {
            var row = logits[i];
            if (row.Length == 0)
                throw new ArgumentException($"Row {i} has no logits.", nameof(logits));
            for (var label = 0; label < row.Length; label++)
            {
                if (float.IsNaN(row[label]))
                    throw new ArgumentException($"The logit of label {label} in row {i} is not a number (NaN).", nameof(logits));
                if (row[label] > row[labels[i]])
                    labels[i] = label;
            }
        }

        return labels;
    }
}
