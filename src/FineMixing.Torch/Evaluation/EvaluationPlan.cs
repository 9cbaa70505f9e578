namespace FineMixing.Torch.Evaluation;

/// <summary>Cuts texts into evaluation batches, longest first, so that padding and the fixed cost of batches together are least.</summary>
internal static class EvaluationPlan
{
    /// <summary>Batches of indices into the texts; each holds at most <paramref name="tokensPerBatch"/> tokens, padding included, or one text.</summary>
    /// <param name="lengths">Tokens of each text.</param>
    /// <param name="tokensPerBatch">The memory bound.</param>
    /// <param name="batchCost">What a batch costs besides its tokens, in tokens.</param>
    public static List<int[]> Batches(IReadOnlyList<int> lengths, int tokensPerBatch, int batchCost)
    {
        var order = Enumerable.Range(0, lengths.Count).OrderByDescending(i => lengths[i]).ToArray();

        // The least cost of the first i texts, and where the last of their batches begins.
        var least = new long[order.Length + 1];
        var begin = new int[order.Length + 1];
        Array.Fill(least, long.MaxValue, 1, order.Length);
        for (var first = 0; first < order.Length; first++)
        {
            var longest = lengths[order[first]];
            var most = Math.Clamp(tokensPerBatch / longest, 1, order.Length - first);
            for (var rows = 1; rows <= most; rows++)
            {
                var cost = least[first] + batchCost + ((long)rows * longest);
                if (cost < least[first + rows])
                    (least[first + rows], begin[first + rows]) = (cost, first);
            }
        }

        var batches = new List<int[]>();
        for (var end = order.Length; end > 0; end = begin[end])
            batches.Add(order[begin[end]..end]);
        batches.Reverse();
        return batches;
    }
}
