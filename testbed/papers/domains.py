"""The fields that synthetic papers pretend to be about: their words, their troubles, their measures.

Plain data for `testbed/papers/synthesis.py`. Nothing here is a fact about the world.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure papers of a field report; `low`..`high` is where a plain baseline stands."""

    name: str
    unit: str
    low: float
    high: float
    higher_is_better: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    field: str
    system: str
    items: str
    source: str
    troubles: tuple[str, ...]
    earlier: tuple[tuple[str, str], ...]  # an approach, and where it fails
    main: Measure
    cost: Measure
    places: tuple[str, ...]
    hardware: tuple[str, ...]


DOMAINS = (
    Domain(
        field="query optimisation",
        system="join planner",
        items="queries",
        source="query log",
        troubles=(
            "correlation between filter columns",
            "the staleness of histograms",
            "skew in foreign keys",
            "the depth of snowflake schemas",
            "a burst of ad hoc reports",
        ),
        earlier=(
            ("histogram-driven planning", "multiplies selectivities as if columns were independent"),
            (
                "learned cardinality regression",
                "needs retraining whenever a bulk load shifts the value range",
            ),
            ("re-optimisation at run time", "throws away partial results that were already paid for"),
            ("plan hints written by hand", "freeze a decision that was right for last year's data"),
        ),
        main=Measure(
            name="share of near-optimal plans", unit="percent", low=48, high=66, higher_is_better=True
        ),
        cost=Measure(name="planning time", unit="milliseconds", low=14, high=52, higher_is_better=False),
        places=("retail ledger", "hospital registry", "telecom billing archive", "customs declaration store"),
        hardware=(
            "a 32-core server with 256 GB of memory",
            "four leased virtual machines",
            "one dual-socket node",
        ),
    ),
    Domain(
        field="wireless sensor networks",
        system="relay protocol",
        items="packets",
        source="deployment trace",
        troubles=(
            "uneven battery ageing",
            "link fading after rain",
            "clock drift between nodes",
            "congestion near the sink",
            "interference from irrigation pumps",
        ),
        earlier=(
            ("flooding with duplicate suppression", "wakes every radio in the field for each reading"),
            ("fixed routing trees", "break at the first node whose battery gives out"),
            ("link-quality gradients", "chase fades that are gone before the route is rebuilt"),
            ("duty-cycled rendezvous", "adds a full sleep period of delay at every hop"),
        ),
        main=Measure(name="delivery ratio", unit="percent", low=61, high=78, higher_is_better=True),
        cost=Measure(
            name="energy per reading", unit="millijoules", low=2.4, high=7.8, higher_is_better=False
        ),
        places=("vineyard slope", "peat bog transect", "greenhouse block", "river embankment"),
        hardware=(
            "motes with a 16 MHz microcontroller",
            "48 battery-powered nodes",
            "a testbed of solar-fed nodes",
        ),
    ),
    Domain(
        field="speech enhancement",
        system="noise suppressor",
        items="frames",
        source="recording corpus",
        troubles=(
            "a competing talker",
            "stairwell reverberation",
            "microphone clipping",
            "non-stationary machine hum",
            "packet loss in the uplink",
        ),
        earlier=(
            (
                "spectral subtraction",
                "leaves isolated tonal residue that listeners find worse than the noise",
            ),
            ("recurrent masking", "smears plosive onsets when the noise floor jumps"),
            ("beamforming", "presumes a microphone geometry that handsets do not keep"),
            ("diffusion-based resynthesis", "invents consonants that were never spoken"),
        ),
        main=Measure(name="word recall", unit="percent", low=52, high=71, higher_is_better=True),
        cost=Measure(
            name="algorithmic latency", unit="milliseconds", low=18, high=44, higher_is_better=False
        ),
        places=("tram cabin", "foundry floor", "school canteen", "open-plan dispatch room"),
        hardware=(
            "a single mobile core",
            "an embedded signal processor",
            "a laptop processor without graphics",
        ),
    ),
    Domain(
        field="robotic grasping",
        system="grasp selector",
        items="grasp attempts",
        source="bin-picking log",
        troubles=(
            "transparent packaging",
            "cable tangling",
            "gripper pad wear",
            "depth shadowing at bin walls",
            "part slippage on touch",
        ),
        earlier=(
            ("analytic force closure", "trusts surface normals that depth cameras get wrong on gloss"),
            ("end-to-end grasp regression", "cannot say why it failed, so it fails the same way again"),
            ("suction-first policies", "lose their seal on porous or dented surfaces"),
            ("demonstration libraries", "cover the parts of last season and none of the new ones"),
        ),
        main=Measure(name="first-try success", unit="percent", low=55, high=74, higher_is_better=True),
        cost=Measure(name="cycle time", unit="seconds", low=5.2, high=9.6, higher_is_better=False),
        places=("fastener warehouse", "recycling line", "pharmacy depot", "casting shop"),
        hardware=(
            "a six-axis arm with a parallel gripper",
            "two arms that share one camera",
            "a gantry with a soft hand",
        ),
    ),
    Domain(
        field="genome assembly",
        system="contig joiner",
        items="reads",
        source="sequencing run",
        troubles=(
            "tandem repetition beyond read length",
            "uneven coverage near telomeres",
            "chimerism of fragments",
            "homopolymer miscounting",
            "the mixing of close strains",
        ),
        earlier=(
            ("plain de Bruijn traversal", "collapses repeats into a single edge and loses their count"),
            ("overlap-layout-consensus", "spends most of its time comparing reads that do not overlap"),
            ("reference-guided joining", "imports rearrangements that the sample does not have"),
            ("coverage-weighted bridging", "mistakes a duplicated region for a deep one"),
        ),
        main=Measure(name="correctly joined contigs", unit="percent", low=58, high=72, higher_is_better=True),
        cost=Measure(name="peak memory", unit="gigabytes", low=38, high=120, higher_is_better=False),
        places=(
            "alpine lichen sample",
            "brackish sediment core",
            "orchard mite colony",
            "cheese rind culture",
        ),
        hardware=(
            "a workstation with 24 cores",
            "a shared cluster partition of eight nodes",
            "one large-memory machine",
        ),
    ),
    Domain(
        field="electricity load forecasting",
        system="load forecaster",
        items="hourly readings",
        source="meter archive",
        troubles=(
            "demand hidden by rooftop panels",
            "the shifting of public holidays",
            "mid-season meter replacement",
            "a cold snap after warm weeks",
            "the charging peak at shift end",
        ),
        earlier=(
            ("seasonal regression", "treats a shifted holiday as an ordinary working day"),
            ("gradient-boosted lags", "repeats yesterday's error when the weather turns"),
            ("global sequence models", "average away the habits of small districts"),
            ("similar-day lookup", "finds no similar day in the weeks that matter most"),
        ),
        main=Measure(name="mean absolute error", unit="megawatts", low=34, high=61, higher_is_better=False),
        cost=Measure(name="refit time", unit="minutes", low=11, high=47, higher_is_better=False),
        places=("island grid", "valley cooperative", "harbour district", "university campus feeder"),
        hardware=(
            "a utility's existing batch server",
            "a single desktop processor",
            "a small rented instance",
        ),
    ),
    Domain(
        field="compiler optimisation",
        system="inlining pass",
        items="call sites",
        source="build archive",
        troubles=(
            "misjudged heat of error paths",
            "template instantiation bloat",
            "profile mismatch between releases",
            "instruction-cache pressure",
            "ambiguity of virtual call targets",
        ),
        earlier=(
            ("size-threshold inlining", "ignores that a large callee may fold to almost nothing"),
            ("profile-guided inlining", "follows a profile that the next release no longer matches"),
            ("exhaustive search", "takes hours for a file that is built ten times a day"),
            ("bandit-tuned flags", "moves every call site of a file by the same knob"),
        ),
        main=Measure(
            name="geometric-mean slowdown over the best known build",
            unit="percent",
            low=9,
            high=21,
            higher_is_better=False,
        ),
        cost=Measure(
            name="compile time per file", unit="milliseconds", low=240, high=690, higher_is_better=False
        ),
        places=(
            "web server suite",
            "ray tracer collection",
            "parser benchmark",
            "embedded control code base",
        ),
        hardware=(
            "an eight-core build machine",
            "an ARM development board",
            "a desktop with frequency scaling off",
        ),
    ),
    Domain(
        field="content moderation queues",
        system="triage ranker",
        items="flagged posts",
        source="review log",
        troubles=(
            "coordinated false flagging",
            "slang turnover within weeks",
            "reviewer fatigue late in a shift",
            "text hidden in screenshots",
            "late arrival of appeals",
        ),
        earlier=(
            ("toxicity classifiers", "score quotation and counter-speech as if they were abuse"),
            ("first-in-first-out review", "lets urgent items age behind harmless ones"),
            ("reporter reputation", "silences new users whose flags are correct"),
            ("keyword escalation", "is learned and evaded within days"),
        ),
        main=Measure(
            name="urgent items seen in time", unit="percent", low=44, high=63, higher_is_better=True
        ),
        cost=Measure(
            name="reviewer minutes per case", unit="minutes", low=2.1, high=4.9, higher_is_better=False
        ),
        places=("gardening forum", "language exchange", "classified-ads site", "amateur sports league"),
        hardware=(
            "two application servers behind a queue",
            "a managed container service",
            "one database host",
        ),
    ),
    Domain(
        field="satellite flood mapping",
        system="water segmenter",
        items="image tiles",
        source="acquisition archive",
        troubles=(
            "wind roughening of lakes",
            "radar shadow behind ridges",
            "flooding under vegetation",
            "snow melt that mimics open water",
            "orbit change between passes",
        ),
        earlier=(
            ("backscatter thresholds", "turn every smooth runway into a flood"),
            ("change detection on pairs", "needs a dry pass from the same orbit, which is often missing"),
            ("convolutional segmentation", "learns the coastline of its training region"),
            ("terrain masking", "hides exactly the narrow valleys that flood first"),
        ),
        main=Measure(name="intersection over union", unit="points", low=49, high=67, higher_is_better=True),
        cost=Measure(
            name="processing time per scene", unit="seconds", low=41, high=130, higher_is_better=False
        ),
        places=("delta lowland", "karst plateau", "braided river plain", "terraced rice basin"),
        hardware=("a processing node near the archive", "one consumer graphics card", "a field laptop"),
    ),
    Domain(
        field="distributed storage",
        system="repair scheduler",
        items="damaged blocks",
        source="failure trace",
        troubles=(
            "correlated disk failure",
            "repair traffic during backup windows",
            "node slowness short of death",
            "the sharing of one switch by several racks",
            "metadata growth from tiny objects",
        ),
        earlier=(
            ("eager re-replication", "starts terabytes of copying for a node that is back in minutes"),
            ("lazy repair", "waits until two losses in one stripe are a single step from data loss"),
            ("locally repairable codes", "save reads but cost space on every healthy stripe"),
            ("global rate limits", "protect the network and forget the stripes in danger"),
        ),
        main=Measure(
            name="stripes at risk after one hour",
            unit="per million",
            low=130,
            high=420,
            higher_is_better=False,
        ),
        cost=Measure(
            name="repair traffic", unit="terabytes per day", low=3.1, high=8.8, higher_is_better=False
        ),
        places=("observatory archive", "film studio vault", "map tile store", "clinical image archive"),
        hardware=(
            "a cluster of 96 disks in six racks",
            "three rooms with one uplink",
            "a simulator fed with traces",
        ),
    ),
    Domain(
        field="intelligent tutoring",
        system="hint policy",
        items="exercise attempts",
        source="classroom log",
        troubles=(
            "hint abuse by hurried learners",
            "off-screen solving on paper",
            "guessing that looks like mastery",
            "answer sharing within a class",
            "forgetting between sessions",
        ),
        earlier=(
            ("knowledge tracing", "credits a guess as much as a derivation"),
            ("fixed hint ladders", "give the third hint to someone who needed the first in other words"),
            ("reinforcement-learned hints", "find that giving the answer away ends exercises fastest"),
            ("peer-matched hints", "spread one learner's misconception to the next"),
        ),
        main=Measure(
            name="exercises solved without the final hint",
            unit="percent",
            low=37,
            high=55,
            higher_is_better=True,
        ),
        cost=Measure(name="time per exercise", unit="minutes", low=4.4, high=8.3, higher_is_better=False),
        places=(
            "evening algebra course",
            "nursing dosage class",
            "first programming module",
            "surveying apprenticeship",
        ),
        hardware=("tablets on a school network", "the course server", "a browser without installation"),
    ),
    Domain(
        field="protein image analysis",
        system="particle picker",
        items="candidate particles",
        source="micrograph set",
        troubles=(
            "ice contamination",
            "aggregation near the carbon edge",
            "orientation bias",
            "defocus variation over the grid",
            "radiation damage in late frames",
        ),
        earlier=(
            ("template matching", "finds its own template in pure noise"),
            ("blob detection", "cannot tell an aggregate from two neighbours"),
            ("convolutional picking", "drops the rare views that resolution depends on"),
            ("manual picking", "drifts over a day and differs between people"),
        ),
        main=Measure(name="usable particles kept", unit="percent", low=51, high=69, higher_is_better=True),
        cost=Measure(
            name="false picks per micrograph", unit="picks", low=12, high=39, higher_is_better=False
        ),
        places=(
            "membrane channel data set",
            "ribosome session",
            "viral capsid grid",
            "proteasome collection",
        ),
        hardware=("one graphics card with 24 GB", "the microscope's own computer", "a 16-core node"),
    ),
    Domain(
        field="vehicle routing",
        system="dispatch solver",
        items="delivery orders",
        source="dispatch record",
        troubles=(
            "order cancellation after loading",
            "contradiction between time windows",
            "the changing of bridge weight limits",
            "route deviation by experienced drivers",
            "demand doubling before storms",
        ),
        earlier=(
            ("savings heuristics", "cannot undo an early merge that blocks the late windows"),
            ("large neighbourhood search", "spends its minutes on routes that were fine"),
            ("column generation", "returns its first plan after the vans have left"),
            ("learned construction", "breaks down on fleets larger than those it was trained on"),
        ),
        main=Measure(name="late deliveries", unit="percent", low=11, high=24, higher_is_better=False),
        cost=Measure(name="distance per order", unit="kilometres", low=3.2, high=6.9, higher_is_better=False),
        places=("mountain canton", "archipelago ferry district", "old town", "fruit export corridor"),
        hardware=("a dispatcher's desktop", "a cloud function with two cores", "an on-board tablet"),
    ),
    Domain(
        field="malware triage",
        system="behaviour clusterer",
        items="sandbox reports",
        source="submission stream",
        troubles=(
            "evasion by sleeping samples",
            "packer sharing",
            "odd behaviour of benign installers",
            "code borrowing between families",
            "a flood of near-identical variants",
        ),
        earlier=(
            ("signature hashing", "sees a new file in every repacked one"),
            ("call-sequence alignment", "is stretched out of shape by a loop of junk calls"),
            ("graph embedding", "puts all users of one packer into one family"),
            ("analyst tagging", "is three weeks behind the stream"),
        ),
        main=Measure(
            name="pairwise cluster agreement", unit="points", low=54, high=70, higher_is_better=True
        ),
        cost=Measure(
            name="analysis time per report", unit="seconds", low=1.4, high=5.6, higher_is_better=False
        ),
        places=("mail gateway feed", "honeypot collection", "incident archive", "mobile store queue"),
        hardware=(
            "an isolated rack of twelve hosts",
            "one analysis server",
            "a pool of short-lived machines",
        ),
    ),
)
