using System.Collections;

namespace FineMixing.Mixing;

/// <summary>The summaries of a plan, each made when it is asked for: thousands of them would take memory that few callers look at.</summary>
internal sealed class TensorMixSummaries(IReadOnlyList<TensorPlan> tensors) : IReadOnlyList<TensorMixSummary>
{
    public int Count => tensors.Count;

    public TensorMixSummary this[int index] => tensors[index].Summary;

    public IEnumerator<TensorMixSummary> GetEnumerator() => tensors.Select(t => t.Summary).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
